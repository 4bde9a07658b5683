#pragma once

#include <string>
#include <vector>

#include "doctor/rank_health.hpp"

namespace ditbatch {

/// The ranks, each with all that is wrong with it: what it saw by itself, and where it differs from
/// the others. Among ranks of one kind of device, the sum of the majority counts as right; a GPU
/// that computes at under 70 % of the median, or copies at under half of it, and a link under a
/// third of the median of its kind (within a node, between nodes) counts as slow. With
/// `judge_speed` false (ranks that share a GPU or a few cores) only results are judged.
[[nodiscard]] std::vector<RankHealth> diagnose(std::vector<RankHealth> ranks, bool judge_speed);

/// Which ranks to go on with: the healthy ones, less as many as it takes to fill whole replicas.
[[nodiscard]] std::vector<bool> ranks_to_keep(std::vector<RankHealth> const& diagnosed,
                                              int ranks_per_replica);

/// A line a rank with its rates, its problems below, and a verdict as the last line.
[[nodiscard]] std::string health_text(std::vector<RankHealth> const& diagnosed);
[[nodiscard]] std::string health_json(std::vector<RankHealth> const& diagnosed);

}  // namespace ditbatch
