#pragma once

#include <string>

#include "comm/mpi_session.hpp"
#include "config/run_config.hpp"
#include "core/activity.hpp"
#include "doctor/rank_health.hpp"

namespace ditbatch {

struct ExamineRequest {
  RuntimeConfig runtime;
  bool under_slurm = false;
  std::string run_dir;    // empty: no folder is looked at
  double need_bytes = 0;  // that must be free there
  double limit_s = 60;    // for each step, before the watchdog names this rank
};

/// Collective over the job's ranks: looks at this rank's device, memory, links and run folder. What
/// is wrong becomes a problem of the result; from then on this rank takes no part in what the
/// others do together. Throws only what rank 0 finds wrong with all (they would share GPUs
/// unasked).
[[nodiscard]] RankHealth examine_rank(MpiSession const& session, ExamineRequest const& request,
                                      Activity& activity);

}  // namespace ditbatch
