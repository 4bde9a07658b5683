#pragma once

#include <string>

#include "models/vae/row_map.hpp"
#include "weights/weight_source.hpp"

namespace ditbatch::vae {

/// Exact over the whole map: what each tile contributes is taken in float32 around a mean, and the
/// tiles' contributions are added in the order of tiles.
struct GroupNorm {
  ops::GroupAffine affine;  // (C)
  std::int64_t groups = 32;
  [[nodiscard]] PaddedMap operator()(RowMap const& map, RowPlan const& plan,
                                     ops::Activation activation) const;
};
[[nodiscard]] GroupNorm take_group_norm(WeightSource& source, std::string const& name,
                                        std::int64_t channels, std::int64_t groups);

}  // namespace ditbatch::vae
