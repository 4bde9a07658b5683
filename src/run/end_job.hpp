#pragma once

#include <string>

#include "config/run_config.hpp"
#include "core/exit_code.hpp"
#include "queue/work_server.hpp"
#include "run/begin_job.hpp"
#include "run/replica_leader.hpp"
#include "run/summary.hpp"
#include "supervise/workplace.hpp"

namespace ditbatch {

/// The end of a job whose images are all published (or known to fail), before a model is loaded.
[[nodiscard]] ExitCode end_without_work(RunConfig const& config, JobStart const& start);

/// Waits until everything is out of the writers of all ranks. `leader` and `server` are null where
/// there is none. Collective.
void drain(Supervision& supervision, ReplicaLeader* leader, WorkServer* server);

/// Rank 0 adds up what all ranks did, writes it down, and decides how the job ended. `summary` has
/// what this rank knows. Collective.
[[nodiscard]] ExitCode report(Supervision& supervision, RunConfig const& config,
                              JobStart const& start, RankTotals const& own, JobSummary summary);

}  // namespace ditbatch
