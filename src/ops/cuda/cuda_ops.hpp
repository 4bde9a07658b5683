#pragma once

#include <ATen/core/Tensor.h>

#include "ops/ops.hpp"

// CUDA versions of ops whose stock kernels choose their algorithm by the number of rows or heads.
namespace ditbatch::ops::cuda {

/// x (..., K), weight (N, K), bias (N) or undefined -> (..., N). One cuBLASLt algorithm for each
/// (N, K, dtype), chosen once for many rows, without split-K, and used for any number of rows.
[[nodiscard]] at::Tensor linear(at::Tensor const& x, at::Tensor const& weight,
                                at::Tensor const& bias);

/// ops::linear_into().
void linear_into(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                 at::Tensor const& out, Epilogue epilogue);

/// q (B, Sq, H, D), k and v (B, Sk, H, D) -> (B, Sq, H, D). 16-bit types with heads of at most 128
/// channels by cuDNN; others head by head through linear().
[[nodiscard]] at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v);

}  // namespace ditbatch::ops::cuda
