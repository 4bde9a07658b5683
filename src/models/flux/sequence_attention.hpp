#pragma once

#include <ATen/core/Tensor.h>

#include "comm/tensor_comm.hpp"
#include "mesh/token_layout.hpp"

namespace ditbatch::flux {

/// The communicators that a sequence is split over.
struct SequenceComms {
  TensorComm& ulysses;
  TensorComm& ring;
};

/// Whose results are wanted.
enum class Rows { all, image_only };

/// Joint attention over all tokens of a branch, whose rows are spread over its ranks.
///
/// qkv (B, S, 3, H, D): this rank's own tokens, text then image -> (B, S, H x D) for the same
/// tokens, or (B, own image tokens, H x D).
///
/// Ulysses: one exchange gives every rank all tokens of its ring slice for its H / ulysses heads,
/// one gives the results back. Ring (gather): keys and values of all ring slices are gathered. The
/// keys always stand in the global order, text then image, so that attention sees the same sequence
/// on any number of ranks.
[[nodiscard]] at::Tensor sequence_attention(at::Tensor const& qkv, TokenLayout const& layout,
                                            SequenceComms const& comms, Rows rows);

}  // namespace ditbatch::flux
