#include "doctor/preflight.hpp"

#include <algorithm>
#include <string>

#include "comm/mpi_comm.hpp"
#include "core/activity.hpp"
#include "core/trace.hpp"
#include "doctor/diagnosis.hpp"
#include "supervise/watchdog.hpp"

namespace ditbatch {

std::vector<RankHealth> preflight(MpiSession const& session, ExamineRequest const& request) {
  Trace trace;
  Activity activity;
  LimitsConfig limits;
  limits.phase_s = limits.start_s = request.limit_s;
  Watchdog const watchdog(
      {limits, session.comm(), session.rank(), session.size(), session.host(), [](int) {}},
      activity, trace);
  RankHealth const mine = examine_rank(session, request, activity);
  activity.enter_phase("diagnosis", {}, request.limit_s);
  activity.enter_call("gather");
  std::vector<RankHealth> ranks;
  for (std::string const& message : all_gather_strings(session.comm(), to_message(mine)))
    ranks.push_back(rank_health_from_message(message));
  activity.leave_call();
  bool const on_gpus = std::any_of(ranks.begin(), ranks.end(),
                                   [](RankHealth const& rank) { return !rank.gpu_uuid.empty(); });
  return diagnose(std::move(ranks),
                  {on_gpus && !request.runtime.share_gpu, !request.runtime.allow_mixed});
}

}  // namespace ditbatch
