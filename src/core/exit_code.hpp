#pragma once

namespace ditbatch {

/// What the process tells the shell, the launcher and the batch script.
enum class ExitCode : int {
  complete = 0,
  failed_records = 3,  // complete, but more records failed than `allow_failed`
  usage = 64,
  bad_input = 65,  // config, manifest or checkpoint
  unhealthy = 69,  // device or launcher
  internal = 70,   // do not retry
  io = 74,
  stopped = 75,    // stopped cleanly with work left: requeue
  lost_peer = 76,  // retry without the named node
};

}  // namespace ditbatch
