#include "doctor/preflight.hpp"

#include <algorithm>
#include <string>

#include "comm/mpi_comm.hpp"
#include "doctor/diagnosis.hpp"
#include "supervise/workplace.hpp"

namespace ditbatch {

std::vector<RankHealth> preflight(MpiSession const& session, ExamineRequest const& request) {
  LimitsConfig limits;
  limits.phase_s = limits.start_s = request.limit_s;
  Supervision supervision(session, limits, now_ns());
  Activity& activity = supervision.activity;
  RankHealth const mine = examine_rank(session, request, activity);
  activity.enter_phase("diagnosis", {}, request.limit_s);
  std::vector<RankHealth> ranks;
  {
    HostCall const call(activity, "world gather");
    for (std::string const& message :
         all_gather_strings(session.comm(), to_message(mine)))  // comm: all ranks
      ranks.push_back(rank_health_from_message(message));
  }
  bool const on_gpus = std::any_of(ranks.begin(), ranks.end(),
                                   [](RankHealth const& rank) { return !rank.gpu_uuid.empty(); });
  return diagnose(std::move(ranks),
                  {on_gpus && !request.runtime.share_gpu, !request.runtime.allow_mixed});
}

}  // namespace ditbatch
