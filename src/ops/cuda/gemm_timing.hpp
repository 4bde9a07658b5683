#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/cuda/gemm.hpp"

namespace ditbatch::ops::cuda {

/// Operands of a shape.
struct GemmTensors {
  at::Tensor x, weight, bias;  // (batch, m, k), (n, k), (n)
};

/// The fastest of `algorithms`, each of which runs the shape: the first one unless another is
/// clearly faster, so that noise does not choose. Takes some milliseconds.
[[nodiscard]] cublasLtMatmulAlgo_t fastest_algorithm(
    GemmShape const& shape, GemmTensors const& operands,
    std::vector<cublasLtMatmulAlgo_t> const& algorithms);

}  // namespace ditbatch::ops::cuda
