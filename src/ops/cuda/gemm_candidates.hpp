#pragma once

#include <vector>

#include "ops/cuda/gemm.hpp"

namespace ditbatch::ops::cuda {

/// Algorithms that are worth a trial for the shape, each once, those that split K left out. Some
/// may not run it at all. In this order: cuBLASLt's proposals for the shape itself, best first;
/// `canonical`, where the shape's alignment allows; then what it proposes for the shape's
/// neighbours.
[[nodiscard]] std::vector<cublasLtMatmulAlgo_t> candidate_algorithms(
    GemmShape const& shape, cublasLtMatmulAlgo_t const& canonical);

}  // namespace ditbatch::ops::cuda
