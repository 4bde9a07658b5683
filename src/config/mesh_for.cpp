#include "config/mesh_for.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "config/config_keys.hpp"

namespace ditbatch {

namespace {

constexpr int most_degree = static_cast<int>(config::largest_degree);

// How far apart two degrees are: 0 equal, 1 a factor of two.
double distance(int a, int b) {
  return std::abs(std::log2(static_cast<double>(a) / static_cast<double>(b)));
}

// The mesh for `ranks` ranks that a model with `heads` heads (0: not known) can use and that
// differs least from the wanted one: first in the size of a replica, then in how that is divided.
MeshShape nearest_mesh(MeshConfig const& wanted, int ranks, int heads) {
  double const wanted_branch =
      static_cast<double>(wanted.ulysses) * wanted.ring * wanted.pipefusion;
  std::optional<MeshShape> best;
  double best_cost = 0;
  for (int cfg = 1; cfg <= 2; ++cfg) {
    if (ranks % cfg != 0) continue;
    for (int branch = 1; branch <= ranks / cfg; ++branch) {
      if (ranks / cfg % branch != 0) continue;
      for (int ulysses = 1; ulysses <= std::min(branch, most_degree); ++ulysses) {
        if (branch % ulysses != 0 || heads % ulysses != 0) continue;
        int const ring = branch / ulysses;
        if (ring > most_degree) continue;
        MeshShape const shape{ranks / cfg / branch, cfg, 1, ring, ulysses};
        double const cost = 8 * std::abs(std::log2(branch / wanted_branch)) +
                            8 * distance(cfg, wanted.cfg) + distance(ulysses, wanted.ulysses) +
                            2 * distance(ring, wanted.ring) +
                            (wanted.replicas ? distance(shape.replicas, *wanted.replicas) : 0);
        if (!best || cost < best_cost) {
          best = shape;
          best_cost = cost;
        }
      }
    }
  }
  return best.value_or(MeshShape{ranks});
}

std::string as_settings(MeshShape const& shape) {
  return "cfg = " + std::to_string(shape.cfg) + ", ulysses = " + std::to_string(shape.ulysses) +
         ", ring = " + std::to_string(shape.ring) +
         ", replicas = " + std::to_string(shape.replicas);
}

}  // namespace

MeshShape mesh_for(RunConfig const& run, int ranks, MeshLimits const& limits, Problems& problems) {
  MeshConfig const& config = run.mesh;
  auto const try_this = [&] {
    MeshShape const nearest = nearest_mesh(config, ranks, limits.heads);
    return " use " + as_settings(nearest) + " on " + std::to_string(ranks) +
           (ranks == 1 ? " rank" : " ranks");
  };
  bool fits = true;
  auto const refuse = [&](std::string const& key, std::string const& text) {
    problems.add(run.where("mesh." + key), "mesh." + key, text);
    fits = false;
  };
  if (config.pipefusion > 1) {
    refuse("pipefusion",
           std::to_string(config.pipefusion) + " is not available yet (only 1 is)" + try_this());
  }
  if (config.ring_kind == RingKind::p2p) {
    refuse("ring_kind", "\"p2p\" is not available yet (only \"gather\" is) use \"gather\"");
  }
  if (config.weights == WeightPlacement::sharded) {
    refuse("weights",
           "\"sharded\" is not available yet (every rank holds the weights) use \"replicated\"");
  }
  if (config.cfg < 1 || config.cfg > 2) {
    refuse("cfg",
           std::to_string(config.cfg) + " is not possible (there are two branches)" + try_this());
  }
  if (config.ulysses < 1 || limits.heads % config.ulysses != 0) {
    refuse("ulysses", std::to_string(config.ulysses) + " does not divide the model's " +
                          std::to_string(limits.heads) + " heads (each rank takes whole heads)" +
                          try_this());
  }
  // In 64 bits: four degrees of 1024 overflow an int.
  std::int64_t const per_replica =
      std::int64_t{config.cfg} * config.ulysses * config.ring * config.pipefusion;
  std::string const parts =
      "(cfg " + std::to_string(config.cfg) + " x ulysses " + std::to_string(config.ulysses) +
      " x ring " + std::to_string(config.ring) +
      (config.pipefusion > 1 ? " x pipefusion " + std::to_string(config.pipefusion) : "") + ")";
  if (config.replicas) {
    std::int64_t const needed = per_replica * *config.replicas;
    if (needed != ranks) {
      refuse("replicas", std::to_string(*config.replicas) + " replicas of " +
                             std::to_string(per_replica) + " ranks " + parts + " are " +
                             std::to_string(needed) + " ranks, the job has " +
                             std::to_string(ranks) + " (each rank needs one place) start " +
                             std::to_string(needed) + " ranks, or" + try_this());
    }
  } else if (per_replica < 1 || ranks % per_replica != 0) {
    refuse("replicas", "a replica of " + std::to_string(per_replica) + " ranks " + parts +
                           " does not divide the job's " + std::to_string(ranks) +
                           " (no rank may be left over) start a multiple of " +
                           std::to_string(per_replica) + ", or" + try_this());
  }
  if (!fits) return MeshShape{ranks};
  return {static_cast<int>(ranks / per_replica), config.cfg, config.pipefusion, config.ring,
          config.ulysses};
}

}  // namespace ditbatch
