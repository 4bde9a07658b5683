#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// What a convolutional decoder does to a rank's rows of a map besides convolving them. A map's rows
// are (rows, W, C), cut into tiles from top to bottom. On GPUs a pixel's channels lie side by side
// (channels-last), on CPUs each channel is a plane; shapes are the same. A padded map has a row
// above and one below for the neighbours' (rows + 2, W, C), so that a tile's convolution reads a
// view of it.
//
// A result depends on the tiles' own shapes and values, never on how many tiles share the call.
namespace ditbatch::ops {

/// Rows of each tile, from top to bottom.
using TileRows = std::vector<std::int64_t>;

/// cuDNN adds no bias: on a GPU whoever reads a convolution's rows next adds it on the way.
struct BiasedRows {
  at::Tensor rows;  // (rows, W, C)
  at::Tensor bias;  // (C), or undefined where it is in the rows
};

/// Mean and sum of squared distances from it, of each tile and group: (tiles, groups, 2) in
/// float32.
using GroupMoments = at::Tensor;

struct SummedRows {
  at::Tensor rows;       // (rows, W, C)
  GroupMoments moments;  // undefined on CPUs, whose norms take two passes of their own
};

/// Of each group over a whole map: (groups) in float32.
struct GroupScale {
  at::Tensor mean;
  at::Tensor scale;  // 1 / sqrt(variance + eps)
};

/// Of a group norm: (C) each.
struct GroupAffine {
  at::Tensor gain;
  at::Tensor offset;
};

enum class Activation { none, silu };

/// Uninitialised rows in the layout that their device likes.
[[nodiscard]] at::Tensor empty_rows(std::int64_t rows, std::int64_t width, std::int64_t channels,
                                    at::TensorOptions const& options);
/// (rows, W, C) -> (C, rows, W), a view.
[[nodiscard]] at::Tensor as_planes(at::Tensor const& rows);

/// x -> padded, the outer rows zeros.
[[nodiscard]] at::Tensor pad_rows(at::Tensor const& x);
/// The rows between the outer ones, a view.
[[nodiscard]] at::Tensor inner_rows(at::Tensor const& padded);

/// x + residual, with the moments of the sum where there is a kernel that takes them on the way.
/// residual: as x, or undefined.
[[nodiscard]] SummedRows add_rows(BiasedRows const& x, at::Tensor const& residual,
                                  TileRows const& tile_rows, std::int64_t groups);

[[nodiscard]] GroupMoments tile_moments(BiasedRows const& x, TileRows const& tile_rows,
                                        std::int64_t groups);

/// Moments of all tiles of a map -> over the map, added in double in the order of tiles.
/// values[tile]: how many values a group has in that tile.
[[nodiscard]] GroupScale combine_moments(GroupMoments const& all,
                                         std::vector<std::int64_t> const& values, double eps);

/// activation((x - mean) * scale * gain + offset) -> padded, the outer rows zeros.
[[nodiscard]] at::Tensor normalise_rows(BiasedRows const& x, GroupScale const& over_map,
                                        GroupAffine const& affine, Activation activation);

/// Each pixel becomes 2x2: (rows, W, C) -> padded (2 rows + 2, 2 W, C), the outer rows zeros.
[[nodiscard]] at::Tensor upsample_rows(at::Tensor const& x);

/// The same in plain ATen, on any device: what CPUs run and what the kernels are compared with.
namespace plain {

[[nodiscard]] at::Tensor add_rows(BiasedRows const& x, at::Tensor const& residual);
[[nodiscard]] GroupMoments tile_moments(BiasedRows const& x, TileRows const& tile_rows,
                                        std::int64_t groups);
[[nodiscard]] GroupScale combine_moments(GroupMoments const& all,
                                         std::vector<std::int64_t> const& values, double eps);
[[nodiscard]] at::Tensor normalise_rows(BiasedRows const& x, GroupScale const& over_map,
                                        GroupAffine const& affine, Activation activation);
[[nodiscard]] at::Tensor upsample_rows(at::Tensor const& x);

}  // namespace plain

}  // namespace ditbatch::ops
