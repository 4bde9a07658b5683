#include "config/mesh_for.hpp"

#include <numeric>

namespace ditbatch {

MeshShape mesh_for(RunConfig const& run, int ranks, MeshLimits const& limits, Problems& problems) {
  MeshConfig const& config = run.mesh;
  auto const refuse = [&](char const* key, std::string const& text) {
    problems.add({run.config_path}, std::string("mesh.") + key, text);
  };
  if (config.pipefusion > 1) refuse("pipefusion", "not supported yet (it is not exact) use ulysses or ring");
  if (config.ring_kind == RingKind::p2p) refuse("ring_kind", "\"p2p\" is not supported yet (it is not exact) use \"gather\"");
  if (config.weights == WeightPlacement::sharded) refuse("weights", "\"sharded\" is not supported yet (every rank holds the weights) use \"replicated\"");

  MeshShape shape{1, config.cfg, config.pipefusion, config.ring, config.ulysses};
  if (limits.heads % config.ulysses != 0) {
    int const fitting = std::gcd(limits.heads, config.ulysses);
    refuse("ulysses", std::to_string(config.ulysses) + " does not divide the model's " + std::to_string(limits.heads) +
                          " heads (each rank takes whole heads) use ulysses = " + std::to_string(fitting) + " and ring = " +
                          std::to_string(config.ring * (config.ulysses / fitting)));
  }
  int const per_replica = shape.ranks_per_replica();
  if (config.replicas) {
    shape.replicas = *config.replicas;
    if (shape.size() != ranks) {
      refuse("replicas", "the mesh has " + std::to_string(shape.size()) + " places (" + layout_name(shape) + "), the job " +
                             std::to_string(ranks) + " ranks (each rank needs one place) start " + std::to_string(shape.size()) +
                             " ranks" + (ranks % per_replica == 0 ? ", or write replicas = " + std::to_string(ranks / per_replica) : ""));
    }
  } else if (ranks % per_replica != 0) {
    // The nearest mesh: the same branches, and a sequence degree that fits what is left.
    int const cfg = ranks % config.cfg == 0 ? config.cfg : 1;
    int const ulysses = std::gcd(std::gcd(config.ulysses, limits.heads), ranks / cfg);
    refuse("replicas", "a replica of " + std::to_string(per_replica) + " ranks (" + layout_name(shape) + ") does not divide the job's " +
                           std::to_string(ranks) + " ranks (no rank may be left over) start a multiple of " + std::to_string(per_replica) +
                           ", or use cfg = " + std::to_string(cfg) + ", ring = 1, ulysses = " + std::to_string(ulysses));
  } else {
    shape.replicas = ranks / per_replica;
  }
  return shape;
}

}  // namespace ditbatch
