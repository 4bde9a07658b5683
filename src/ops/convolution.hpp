#pragma once

#include <ATen/core/Tensor.h>

namespace ditbatch::ops {

/// A 3x3 convolution of rows that bring their neighbours along: x (1, C, h + 2, W), the first and
/// last row being halo or zeros -> (1, N, h, W). Left and right are padded with zeros. The bits
/// depend on the shape of the call, so callers cut a map into the same calls whatever the number of
/// ranks.
[[nodiscard]] at::Tensor convolve_3x3_with_halo(at::Tensor const& x, at::Tensor const& weight,
                                                at::Tensor const& bias);

/// A 1x1 convolution, as a linear layer over pixels: (1, C, h, W) -> (1, N, h, W).
/// weight (N, C, 1, 1) or (N, C).
[[nodiscard]] at::Tensor convolve_1x1(at::Tensor const& x, at::Tensor const& weight,
                                      at::Tensor const& bias);

}  // namespace ditbatch::ops
