#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>

#include "comm/mesh_comms.hpp"
#include "mesh/token_layout.hpp"
#include "models/flux/flux_config.hpp"
#include "ops/token_ops.hpp"

namespace ditbatch::flux {

/// Whose results are wanted.
enum class Rows { all, image_only };

/// What the GPU computes while heads are shared.
enum class Meanwhile { nothing, product };

/// A rank's own tokens, text then image, as the linear layers leave them.
struct ProjectedHeads {
  at::Tensor qkv;  // (B, S, 3, H, D)
  ops::QueryKeyNorms text_norms, image_norms;
  ops::RotaryTable const& rotary;
  std::int64_t text_rows = 0;
  Meanwhile meanwhile = Meanwhile::nothing;
};

/// What a rank's attention call reads: q (B, rows, h, D), keys and values (B, all tokens, 2, h, D),
/// h being the rank's heads. The keys always stand in the global order, text then image, so that
/// attention sees the same sequence on any number of ranks.
struct AttentionInputs {
  at::Tensor q;
  at::Tensor kv;
};

/// Joint attention over all tokens of a branch, whose rows are spread over its ranks, needs two
/// exchanges. Ulysses: one gives every rank all tokens of its ring slice for its H / ulysses heads,
/// one gives the results back. Ring (gather): keys and values of all ring slices go to all.
///
/// Each method is a collective of the branch; share_heads() and return_tokens() come in turn.
class SequenceExchange {
 public:
  virtual ~SequenceExchange() = default;
  SequenceExchange(SequenceExchange const&) = delete;
  SequenceExchange& operator=(SequenceExchange const&) = delete;

  /// Whether there is anything to exchange.
  [[nodiscard]] virtual bool is_split() const = 0;
  /// Norms and rotates queries and keys, and shares them and the values. `own.qkv` may lose its
  /// values.
  [[nodiscard]] virtual AttentionInputs share_heads(ProjectedHeads const& own, Rows rows) = 0;
  /// Memory (B, rows, width) in which return_tokens() can leave its result, as the first columns.
  /// It is overwritten by what the next call gives.
  [[nodiscard]] virtual at::Tensor token_buffer(std::int64_t rows, std::int64_t width,
                                                at::Tensor const& like) = 0;
  /// Attention's results (B, rows, h, D) -> those of the own tokens, (B, own rows, H x D): `place`,
  /// the first H x D columns of a token_buffer(), or a tensor of its own.
  [[nodiscard]] virtual at::Tensor return_tokens(at::Tensor const& results, at::Tensor const& place,
                                                 Rows rows) = 0;

 protected:
  SequenceExchange() = default;
};

/// Through the collectives of the branch's ulysses and ring groups. Both outlive it.
[[nodiscard]] std::unique_ptr<SequenceExchange> make_collective_exchange(TokenLayout const& layout,
                                                                         TensorComm& ulysses,
                                                                         TensorComm& ring);

/// By kernels that write to the memory of the branch's other ranks. All ranks call it at the same
/// place of their work, with a batch of images as large. The group outlives it.
[[nodiscard]] std::unique_ptr<SequenceExchange> make_peer_exchange(TokenLayout const& layout,
                                                                   FluxConfig const& config,
                                                                   std::int64_t images,
                                                                   at::TensorOptions const& like,
                                                                   PeerGroup& peers);

/// The fastest that the ranks of the branch can do, for images of a size.
[[nodiscard]] std::unique_ptr<SequenceExchange> make_sequence_exchange(
    TokenLayout const& layout, FluxConfig const& config, std::int64_t images,
    at::TensorOptions const& like, MeshComms const& comms);

}  // namespace ditbatch::flux
