#include "mesh/device_mesh.hpp"

namespace ditbatch {

MeshCoordinate coordinate_of(MeshShape const& shape, int world_rank) {
  MeshCoordinate at;
  at.ulysses = world_rank % shape.ulysses;
  world_rank /= shape.ulysses;
  at.ring = world_rank % shape.ring;
  world_rank /= shape.ring;
  at.pipefusion = world_rank % shape.pipefusion;
  world_rank /= shape.pipefusion;
  at.cfg = world_rank % shape.cfg;
  at.replica = world_rank / shape.cfg;
  return at;
}

int world_rank_of(MeshShape const& shape, MeshCoordinate const& at) {
  int rank = at.replica;
  rank = rank * shape.cfg + at.cfg;
  rank = rank * shape.pipefusion + at.pipefusion;
  rank = rank * shape.ring + at.ring;
  return rank * shape.ulysses + at.ulysses;
}

std::string layout_name(MeshShape const& shape) {
  std::string name =
      "replica" + std::to_string(shape.replicas) + ".cfg" + std::to_string(shape.cfg);
  if (shape.pipefusion > 1) name += ".pipefusion" + std::to_string(shape.pipefusion);
  return name + ".ring" + std::to_string(shape.ring) + ".ulysses" + std::to_string(shape.ulysses);
}

}  // namespace ditbatch
