#pragma once

#include <optional>

#include "config/run_config.hpp"
#include "core/exit_code.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

enum class CheckHashes { no, yes };
enum class PrintConfig { no, yes };

struct CheckOptions {
  int ranks = 0;  // 0: as many as one replica, or the configured replicas, need
  CheckHashes hashes = CheckHashes::no;
  PrintConfig print = PrintConfig::no;
};

/// `ditbatch check` and `run --dry-run`: reads everything a run reads, throws BadInput with every
/// problem, and prints paths, images, bytes and files to come. Needs no launcher and no GPU; writes
/// nothing.
[[nodiscard]] ExitCode check_job(RunConfig const& config, CheckOptions const& options,
                                 std::optional<ManifestPart> part);

}  // namespace ditbatch
