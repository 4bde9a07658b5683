#pragma once

#include <vector>

#include "comm/mpi_session.hpp"
#include "doctor/examine.hpp"
#include "doctor/rank_health.hpp"

namespace ditbatch {

/// Collective: examines all ranks at once, in under a minute, and judges them (diagnosis.hpp). The
/// same on every rank. A rank that does not come back from a step is named, and ends the job with
/// ExitCode::lost_peer.
[[nodiscard]] std::vector<RankHealth> preflight(MpiSession const& session,
                                                ExamineRequest const& request);

}  // namespace ditbatch
