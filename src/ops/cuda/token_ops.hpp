#pragma once

#include "ops/cuda/peer_kernels.hpp"
#include "ops/token_ops.hpp"

// ops/token_ops.hpp as one kernel each.
namespace ditbatch::ops::cuda {

/// Whether tokens (B, S, W) are of a width and alignment that the kernels take.
[[nodiscard]] bool has_token_kernels_for(at::Tensor const& tokens);
/// Whether qkv (B, S, 3, H, D) is of a head size and alignment that the kernels take.
[[nodiscard]] bool has_head_kernels_for(at::Tensor const& qkv);

[[nodiscard]] at::Tensor modulated_norm(at::Tensor const& tokens, NormModulation const& modulation,
                                        std::int64_t text_rows);
[[nodiscard]] at::Tensor add_gated_then_norm(at::Tensor const& tokens, at::Tensor const& delta,
                                             ChannelVectors const& gate,
                                             NormModulation const& modulation,
                                             std::int64_t text_rows);
void norm_and_rotate(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                     RotaryTable const& rotary, std::int64_t text_rows);

/// norm_and_rotate(), but written to `places`, with the values: an exchange, or, without signals,
/// on this GPU alone.
void share_heads(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                 RotaryTable const& rotary, std::int64_t text_rows, HeadPlaces const& places,
                 PeerSignals const* signals);
/// The end of an exchange whose copies were enqueued before it on the current stream.
void finish_copies(PeerSignals const& signals);
/// Rows of `from` (B, S, ...) to the places in `scatter`, whose source is filled in; collective.
void scatter_rows(at::Tensor const& from, RowScatter scatter, PeerSignals const& signals);

/// softmax(scale * x) of x (rows, columns) in place, columns a multiple of 8.
void scaled_softmax(at::Tensor const& x, double scale);

/// Copies from (B, S, ...) to another buffer of the same sizes, rows being contiguous in both.
void copy_rows(at::Tensor const& from, at::Tensor const& to);

}  // namespace ditbatch::ops::cuda
