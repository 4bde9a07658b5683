#pragma once

#include <optional>
#include <string>
#include <vector>

#include "doctor/rank_health.hpp"

namespace ditbatch {

/// What counts as a problem beyond what a rank saw by itself.
struct Judgement {
  bool speed = true;          // not for ranks that share a GPU, nor on CPUs
  bool same_hardware = true;  // not with [runtime] allow_mixed
};

/// The ranks, each with all that is wrong with it: what it saw by itself, and where it differs from
/// the others.
///  - Program, hardware, and the files in the run folder: as the majority has them.
///  - The test product: as the majority of ranks with the same device has it.
///  - Wrong bytes: the sender's fault if most receivers accuse it, the receiver's if it accuses
///    most senders, else of both.
///  - Slow: a GPU at under 70 % of the median of its kind, or copying at under 35 % (GPUs behind
///    one switch share its rate); a link at under a third of the median of its kind (the same place
///    in a node, or between nodes). A node whose link in and link out are both slow is the cause.
[[nodiscard]] std::vector<RankHealth> diagnose(std::vector<RankHealth> ranks,
                                               Judgement const& judgement);

/// Which ranks to go on with: the healthy ones, less as many as it takes to fill whole replicas
/// (within each node where a node's ranks are whole replicas), and no more than `replicas`.
[[nodiscard]] std::vector<bool> ranks_to_keep(std::vector<RankHealth> const& diagnosed,
                                              int ranks_per_replica, std::optional<int> replicas);

/// A line a rank with its rates, its problems below, and a verdict as the last line.
[[nodiscard]] std::string health_text(std::vector<RankHealth> const& diagnosed);
[[nodiscard]] std::string health_json(std::vector<RankHealth> const& diagnosed);

}  // namespace ditbatch
