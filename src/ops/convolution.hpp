#pragma once

#include <ATen/core/Tensor.h>

#include "ops/map_ops.hpp"
#include "ops/ops.hpp"

namespace ditbatch::ops {

/// A 3x3 convolution's weight (N, C, 3, 3) as its device convolves with it: on a GPU channels-last,
/// and in 16 bits with rows of zeros up to a multiple of 8, which the tensor cores' kernels want.
[[nodiscard]] at::Tensor convolution_weight(at::Tensor const& weight);

/// A 3x3 convolution, a call for each tile: padded (rows + 2, W, C), weight of convolution_weight,
/// bias (N) -> (rows, W, N). Left and right are padded with zeros. The bits depend on the shape of
/// the call, so callers cut a map into the same tiles whatever the number of ranks.
[[nodiscard]] BiasedRows convolve_3x3(at::Tensor const& padded, TileRows const& tile_rows,
                                      at::Tensor const& weight, at::Tensor const& bias);

/// A 1x1 convolution, as a linear layer over pixels: (rows, W, C) -> (rows, W, N). On CPUs a call
/// for each tile (MKL's products of many rows and few columns depend on the number of rows); on
/// GPUs, where a row is independent of the others, one call without copies.
[[nodiscard]] at::Tensor convolve_1x1(at::Tensor const& rows, TileRows const& tile_rows,
                                      Linear const& linear);

}  // namespace ditbatch::ops
