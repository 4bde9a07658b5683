#pragma once

#include <ATen/core/Tensor.h>

#include "comm/side_stream.hpp"
#include "comm/tensor_comm.hpp"
#include "mesh/token_layout.hpp"

namespace ditbatch::flux {

/// The communicators that a sequence is split over, and the stream that hides their exchanges.
struct SequenceComms {
  TensorComm& ulysses;
  TensorComm& ring;
  SideStream& beside;
};

/// Whose results are wanted.
enum class Rows { all, image_only };

/// What a rank's attention call reads: q (B, rows, h, D), keys and values (B, all tokens, 2, h, D),
/// h being the rank's heads.
struct AttentionInputs {
  at::Tensor q;
  at::Tensor kv;
};

// Joint attention over all tokens of a branch, whose rows are spread over its ranks, in two parts:
// what the first one exchanges can be on its way while the rank computes something else.
//
// Ulysses: one exchange gives every rank all tokens of its ring slice for its H / ulysses heads,
// one gives the results back. Ring (gather): keys and values of all ring slices are gathered. The
// keys always stand in the global order, text then image, so that attention sees the same sequence
// on any number of ranks.

/// qkv (B, S, 3, H, D): this rank's own tokens, text then image.
[[nodiscard]] AttentionInputs gather_inputs(at::Tensor const& qkv, TokenLayout const& layout,
                                            SequenceComms const& comms, Rows rows);

/// -> (B, S, H x D) for the rank's own tokens, or (B, own image tokens, H x D).
[[nodiscard]] at::Tensor attend(AttentionInputs const& inputs, TokenLayout const& layout,
                                SequenceComms const& comms, Rows rows);

}  // namespace ditbatch::flux
