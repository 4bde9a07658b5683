#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

// What happens to tokens between the matrix products of a block, for a batch of images whose tokens
// stand in one buffer (B, S, W): text rows first, then image rows. Text and image have vectors of
// their own. On GPUs each function is one kernel that computes in float32 and rounds once; `plain`
// has the same in ATen's words, which is what CPUs run. A row's bits depend on the row alone.
namespace ditbatch::ops {

/// Vectors over the channels, one for each image of the batch: (B, W) each, rows may be strided.
struct ChannelVectors {
  at::Tensor text;  // undefined where all rows are treated as image rows
  at::Tensor image;
};

/// layer_norm(x) * (1 + scale) + shift, without learned parameters; eps 1e-6.
struct NormModulation {
  ChannelVectors shift;
  ChannelVectors scale;
};

/// The modulated norm of tokens (B, S, W), the first `text_rows` of each image with the text's
/// vectors -> (B, S, W).
[[nodiscard]] at::Tensor modulated_norm(at::Tensor const& tokens, NormModulation const& modulation,
                                        std::int64_t text_rows);

/// tokens += gate * delta, in place and rounded to the tokens' dtype (float16 saturates instead of
/// overflowing); then the modulated norm of the sum -> (B, S, W). delta (B, S, W).
[[nodiscard]] at::Tensor add_gated_then_norm(at::Tensor const& tokens, at::Tensor const& delta,
                                             ChannelVectors const& gate,
                                             NormModulation const& modulation,
                                             std::int64_t text_rows);

/// Weights of the RMS norms of queries and keys, (D) each; eps 1e-6.
struct QueryKeyNorms {
  at::Tensor query;
  at::Tensor key;
};

/// Cosines and sines of tokens (S, D) each in float32; neighbouring channels have the same angle.
struct RotaryTable {
  at::Tensor cos;
  at::Tensor sin;
};

/// Norms queries and keys head by head and rotates them, in place: qkv (B, S, 3, H, D). The first
/// `text_rows` of each image take the text's norms.
void norm_and_rotate(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                     RotaryTable const& rotary, std::int64_t text_rows);

/// Copies `from` (B, S, ...) into `to`, a view of the same sizes.
void copy_rows(at::Tensor const& from, at::Tensor const& to);

namespace plain {
[[nodiscard]] at::Tensor modulated_norm(at::Tensor const& tokens, NormModulation const& modulation,
                                        std::int64_t text_rows);
[[nodiscard]] at::Tensor add_gated_then_norm(at::Tensor const& tokens, at::Tensor const& delta,
                                             ChannelVectors const& gate,
                                             NormModulation const& modulation,
                                             std::int64_t text_rows);
void norm_and_rotate(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                     RotaryTable const& rotary, std::int64_t text_rows);
}  // namespace plain

}  // namespace ditbatch::ops
