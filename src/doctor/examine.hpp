#pragma once

#include <mpi.h>

#include <string>

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

/// Collective over the world: looks at this rank's device, memory, links and run folder. What is
/// wrong becomes a problem of the result; from then on this rank takes no part in the collectives
/// of the others. Throws only what all ranks throw alike (they would share GPUs, or run on CPUs
/// unasked).
[[nodiscard]] RankHealth examine_rank(MPI_Comm world, std::string const& host,
                                      ExamineRequest const& request, Activity& activity);

}  // namespace ditbatch
