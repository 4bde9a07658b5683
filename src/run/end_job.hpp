#pragma once

#include <memory>
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

/// As long as this lives signals and a lost lock are heard: what is finished is flushed when little
/// time may be left, end.json says at once that the job was told to stop, in case it is killed
/// before its end, and a lost lock ends it. `leader` and `server` outlive it, and are null where
/// there is none.
[[nodiscard]] std::shared_ptr<void> hear_of_trouble(JobStart const& start, Workplace& work,
                                                    ReplicaLeader* leader, WorkServer* server);

/// Waits until everything is out of the writers of all ranks. `leader` and `server` are null where
/// there is none. Collective.
void drain(Supervision& supervision, ReplicaLeader* leader, WorkServer* server);

/// Rank 0 adds up what all ranks did, writes it down, and decides how the job ended. `summary` has
/// what this rank knows. Collective.
[[nodiscard]] ExitCode report(Supervision& supervision, RunConfig const& config,
                              JobStart const& start, RankTotals const& own, JobSummary summary);

}  // namespace ditbatch
