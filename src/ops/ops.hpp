#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "weights/weight_source.hpp"

// What a block is made of. Each function gives a row (a token) the same bits however many rows,
// heads or queries share the call, on CPUs and on GPUs: that is what makes an image independent of
// the layout. On the CPU this needs one intra-op thread (at::set_num_threads(1)).
namespace ditbatch::ops {

/// x (..., K), weight (N, K), bias (N) or undefined -> (..., N)
[[nodiscard]] at::Tensor linear(at::Tensor const& x, at::Tensor const& weight,
                                at::Tensor const& bias = {});

enum class Epilogue { none, gelu_tanh };

/// epilogue(x weight^T + bias) into `out`: x (B, M, K) -> out (B, M, N). Rows of both may be
/// strided views of wider buffers. With GELU on GPUs the product is rounded once, after it.
void linear_into(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                 at::Tensor const& out, Epilogue epilogue = Epilogue::none);

/// A linear layer's parameters; called like a function.
struct Linear {
  at::Tensor weight;  // (N, K)
  at::Tensor bias;    // (N) or undefined
  [[nodiscard]] at::Tensor operator()(at::Tensor const& x) const { return linear(x, weight, bias); }
  void into(at::Tensor const& x, at::Tensor const& out, Epilogue epilogue = Epilogue::none) const {
    linear_into(x, weight, bias, out, epilogue);
  }
};

enum class Bias { none, present };

/// Takes `name.weight` (out, in) and, with a bias, `name.bias` (out).
[[nodiscard]] Linear take_linear(WeightSource& source, std::string const& name, std::int64_t in,
                                 std::int64_t out, Bias bias = Bias::present);

/// Several layers of one input as one: their outputs side by side (sum of N).
[[nodiscard]] Linear join(std::vector<Linear> const& layers);

/// Over the last dimension. weight and bias may be undefined.
[[nodiscard]] at::Tensor layer_norm(at::Tensor const& x, double eps, at::Tensor const& weight = {},
                                    at::Tensor const& bias = {});
/// x / sqrt(mean(x^2) + eps) * weight over the last dimension; as torch.nn.RMSNorm.
[[nodiscard]] at::Tensor rms_norm(at::Tensor const& x, at::Tensor const& weight, double eps);

[[nodiscard]] at::Tensor relu(at::Tensor const& x);
[[nodiscard]] at::Tensor silu(at::Tensor const& x);
[[nodiscard]] at::Tensor gelu(at::Tensor const& x);        // erf
[[nodiscard]] at::Tensor gelu_tanh(at::Tensor const& x);   // tanh approximation
[[nodiscard]] at::Tensor quick_gelu(at::Tensor const& x);  // x * sigmoid(1.702 x)

/// softmax(q k^T / sqrt(D)) v, image by image. q (B, Sq, H, D), k and v (B, Sk, H, D), strided or
/// not -> (B, Sq, H, D)
[[nodiscard]] at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v);

/// Rotates pairs of neighbouring channels. x (B, S, H, D), cos and sin (S, D) in float32.
[[nodiscard]] at::Tensor apply_rotary(at::Tensor const& x, at::Tensor const& cos,
                                      at::Tensor const& sin);

}  // namespace ditbatch::ops
