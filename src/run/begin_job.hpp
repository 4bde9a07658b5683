#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "comm/device.hpp"
#include "config/run_config.hpp"
#include "output/run_paths.hpp"
#include "run/job_input.hpp"
#include "run/run_folder.hpp"
#include "run/stop_request.hpp"
#include "supervise/workplace.hpp"

namespace ditbatch {

/// Rank 0's part of a job: the run folder, and whether it must stop.
struct Office {
  Office(RunConfig const& config, RunOptions const& options, JobInput& input,
         std::atomic<int> const& signal)
      : folder(config, options, input),
        stop({config.job.run_dir, options.max_hours, config.limits.drain_s}, signal) {}
  RunFolder folder;
  StopRequest stop;
};

/// What a job begins with: the input on every rank, the run folder on rank 0.
struct JobStart {
  JobInput input;
  std::unique_ptr<Office> office;    // null on the other ranks
  std::vector<std::string> notices;  // what is perhaps not meant; on rank 0
  std::size_t to_do = 0;
  bool is_barred = false;  // the file STOP was there: nothing was read
  int session = 0;         // 0: nothing is to do
  SessionPaths paths;      // of that session
};

/// Reads and proves everything before a model is loaded: rank 0 checks, all ranks hear the outcome.
/// Where something is to do, the folder of a new session holds the job's logs from here on, and how
/// it ended. Collective.
[[nodiscard]] JobStart begin_job(RunConfig const& config, RunOptions const& options,
                                 Supervision& supervision);

/// Rank 0 says in the session's folder who runs where. Throws Error(unhealthy) on all ranks where
/// they have different hardware unasked. Collective.
void describe_session(Supervision& supervision, RunConfig const& config, JobStart const& start,
                      ChosenDevice const& device);

}  // namespace ditbatch
