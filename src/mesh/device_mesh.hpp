#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// Degrees of the mesh dimensions, slowest to fastest varying over world ranks.
struct MeshShape {
  int replicas = 1;
  int cfg = 1;
  int pipefusion = 1;
  int ring = 1;
  int ulysses = 1;

  [[nodiscard]] int ranks_per_replica() const { return cfg * pipefusion * ring * ulysses; }
  [[nodiscard]] int ranks_per_branch() const { return pipefusion * ring * ulysses; }
  [[nodiscard]] int size() const { return replicas * ranks_per_replica(); }
  friend bool operator==(MeshShape const&, MeshShape const&) = default;
};

/// Where a rank stands in each dimension.
struct MeshCoordinate {
  int replica = 0;
  int cfg = 0;
  int pipefusion = 0;
  int ring = 0;
  int ulysses = 0;
  friend bool operator==(MeshCoordinate const&, MeshCoordinate const&) = default;
};

[[nodiscard]] MeshCoordinate coordinate_of(MeshShape const& shape, int world_rank);
[[nodiscard]] int world_rank_of(MeshShape const& shape, MeshCoordinate const& coordinate);

/// Short name for reports and the `layout` column: "replica2.cfg2.ring1.ulysses4".
[[nodiscard]] std::string layout_name(MeshShape const& shape);

}  // namespace ditbatch
