#include "ops/token_ops.hpp"

#include <ATen/ATen.h>

#include "ops/ops.hpp"
#if DITBATCH_CUDA
#include "ops/cuda/token_ops.hpp"
#endif

namespace ditbatch::ops {

namespace {

constexpr double norm_eps = 1e-6;

// Calls function(rows of tokens, their vector) for the text rows and the image rows.
template <class Function>
void for_each_stream(at::Tensor const& tokens, std::int64_t text_rows, Function const& function) {
  std::int64_t const image_rows = tokens.size(1) - text_rows;
  if (text_rows > 0) function(std::int64_t{0}, text_rows, &ChannelVectors::text);
  if (image_rows > 0) function(text_rows, image_rows, &ChannelVectors::image);
}

// Of one stream: x (B, rows, W), vectors (B, W)
at::Tensor norm_rows(at::Tensor const& x, at::Tensor const& shift, at::Tensor const& scale) {
  return layer_norm(x, norm_eps) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1);
}

void norm_heads(at::Tensor const& heads, at::Tensor const& weight) {
  heads.copy_(rms_norm(heads, weight, norm_eps));
}

}  // namespace

namespace plain {

at::Tensor modulated_norm(at::Tensor const& tokens, NormModulation const& modulation,
                          std::int64_t text_rows) {
  at::Tensor const normed = at::empty(tokens.sizes(), tokens.options());
  for_each_stream(tokens, text_rows, [&](std::int64_t begin, std::int64_t rows, auto stream) {
    normed.narrow(1, begin, rows)
        .copy_(norm_rows(tokens.narrow(1, begin, rows), modulation.shift.*stream,
                         modulation.scale.*stream));
  });
  return normed;
}

at::Tensor add_gated_then_norm(at::Tensor const& tokens, at::Tensor const& delta,
                               ChannelVectors const& gate, NormModulation const& modulation,
                               std::int64_t text_rows) {
  for_each_stream(tokens, text_rows, [&](std::int64_t begin, std::int64_t rows, auto stream) {
    at::Tensor const x = tokens.narrow(1, begin, rows);
    at::Tensor sum = x + (gate.*stream).unsqueeze(1) * delta.narrow(1, begin, rows);
    // As in diffusers: float16 must not overflow into infinity here.
    if (sum.scalar_type() == at::kHalf) sum = sum.clamp(-65504, 65504);
    x.copy_(sum);
  });
  return plain::modulated_norm(tokens, modulation, text_rows);
}

void norm_and_rotate(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                     RotaryTable const& rotary, std::int64_t text_rows) {
  std::int64_t const image_rows = qkv.size(1) - text_rows;
  at::Tensor const q = qkv.select(2, 0);  // (B, S, H, D)
  at::Tensor const k = qkv.select(2, 1);
  if (text_rows > 0) {
    norm_heads(q.narrow(1, 0, text_rows), text.query);
    norm_heads(k.narrow(1, 0, text_rows), text.key);
  }
  if (image_rows > 0) {
    norm_heads(q.narrow(1, text_rows, image_rows), image.query);
    norm_heads(k.narrow(1, text_rows, image_rows), image.key);
  }
  q.copy_(apply_rotary(q, rotary.cos, rotary.sin));
  k.copy_(apply_rotary(k, rotary.cos, rotary.sin));
}

}  // namespace plain

at::Tensor modulated_norm(at::Tensor const& tokens, NormModulation const& modulation,
                          std::int64_t text_rows) {
#if DITBATCH_CUDA
  if (cuda::has_token_kernels_for(tokens))
    return cuda::modulated_norm(tokens, modulation, text_rows);
#endif
  return plain::modulated_norm(tokens, modulation, text_rows);
}

at::Tensor add_gated_then_norm(at::Tensor const& tokens, at::Tensor const& delta,
                               ChannelVectors const& gate, NormModulation const& modulation,
                               std::int64_t text_rows) {
#if DITBATCH_CUDA
  if (cuda::has_token_kernels_for(tokens))
    return cuda::add_gated_then_norm(tokens, delta, gate, modulation, text_rows);
#endif
  return plain::add_gated_then_norm(tokens, delta, gate, modulation, text_rows);
}

void norm_and_rotate(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                     RotaryTable const& rotary, std::int64_t text_rows) {
#if DITBATCH_CUDA
  if (cuda::has_head_kernels_for(qkv))
    return cuda::norm_and_rotate(qkv, text, image, rotary, text_rows);
#endif
  plain::norm_and_rotate(qkv, text, image, rotary, text_rows);
}

void copy_rows(at::Tensor const& from, at::Tensor const& to) {
#if DITBATCH_CUDA
  if (from.is_cuda()) return cuda::copy_rows(from, to);
#endif
  to.copy_(from);
}

}  // namespace ditbatch::ops
