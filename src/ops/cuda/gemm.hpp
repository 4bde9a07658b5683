#pragma once

#include <ATen/core/Tensor.h>
#include <cublasLt.h>

#include <cstdint>
#include <vector>

#include "ops/ops.hpp"

namespace ditbatch::ops::cuda {

constexpr std::size_t gemm_workspace_bytes = std::size_t{32} << 20U;

/// What the choice of an algorithm may look at: out (batch, m, n) = epilogue(x (batch, m, k)
/// weight^T (k, n) + bias).
struct GemmShape {
  std::int64_t batch = 1, m = 0, n = 0, k = 0;
  at::ScalarType dtype = at::kBFloat16;
  enum class Bias { none, present } bias = Bias::none;
  Epilogue epilogue = Epilogue::none;
  int alignment_bytes = 256;  // of every pointer
  friend auto operator<=>(GemmShape const&, GemmShape const&) = default;
};

/// Elements from one row of x and out to the next, and from one batch item to the next.
struct GemmStrides {
  std::int64_t x_row = 0, x_item = 0, out_row = 0, out_item = 0;
};
[[nodiscard]] GemmStrides contiguous_strides(GemmShape const& shape);

struct GemmOperands {
  void const* x = nullptr;
  void const* weight = nullptr;  // (n, k), contiguous
  void const* bias = nullptr;    // (n) or null
  void* out = nullptr;
};

/// One cuBLASLt product on the current stream. Throws Error(unhealthy) where cuBLASLt refuses.
void run_gemm(GemmShape const& shape, GemmStrides const& strides, GemmOperands const& operands,
              cublasLtMatmulAlgo_t const& algorithm);

/// The same with an algorithm that may have been proposed for another shape; false where cuBLASLt
/// refuses it for this one.
[[nodiscard]] bool try_gemm(GemmShape const& shape, GemmStrides const& strides,
                            GemmOperands const& operands, cublasLtMatmulAlgo_t const& algorithm);

/// What cuBLASLt proposes for a shape, best first, without those that split K.
[[nodiscard]] std::vector<cublasLtMatmulAlgo_t> proposed_algorithms(GemmShape const& shape,
                                                                    GemmStrides const& strides);

/// A fast algorithm that gives every row the bits of the canonical one, which is the first that
/// cuBLASLt proposes for many rows of the same product: its best proposal for the shape that does,
/// or another one that does and is clearly faster, be it proposed for a neighbouring shape. Tried
/// and timed on random numbers, once a shape and process: the bits are the same in every process,
/// the algorithm that makes them may differ. None agrees: the canonical one itself, or null for a
/// batch or a lower alignment. Synchronises at the first call for a shape: not while capturing.
[[nodiscard]] cublasLtMatmulAlgo_t const* algorithm_for(GemmShape const& shape);

}  // namespace ditbatch::ops::cuda
