#pragma once

#include "ops/map_ops.hpp"

// The functions of ops/map_ops.hpp on a GPU: a pass over the map each, 16 bytes at a time, sums in
// float32, one rounding at the end. Maps are contiguous (rows, W, C). Nothing waits for the device.
namespace ditbatch::ops::cuda {

[[nodiscard]] SummedRows add_rows(BiasedRows const& x, at::Tensor const& residual,
                                  TileRows const& tile_rows, std::int64_t groups);
[[nodiscard]] GroupMoments tile_moments(BiasedRows const& x, TileRows const& tile_rows,
                                        std::int64_t groups);
[[nodiscard]] GroupScale combine_moments(GroupMoments const& all,
                                         std::vector<std::int64_t> const& values, double eps);
[[nodiscard]] at::Tensor normalise_rows(BiasedRows const& x, GroupScale const& over_map,
                                        GroupAffine const& affine, Activation activation);
[[nodiscard]] at::Tensor upsample_rows(at::Tensor const& x);

}  // namespace ditbatch::ops::cuda
