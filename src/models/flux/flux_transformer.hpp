#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/flux/flux_blocks.hpp"
#include "models/flux/flux_embeddings.hpp"

namespace ditbatch {

/// FLUX.1's transformer on one rank of a CFG branch: full weights, a shard of the tokens of a batch
/// of images that run alike.
class FluxTransformer {
 public:
  FluxTransformer(FluxConfig const& config, WeightSource& source);
  [[nodiscard]] FluxConfig const& config() const { return config_; }

  /// Projected text of one prompt, which stays the same over the steps: prompt_embeds (1, text
  /// tokens, joint_attention_dim), in full -> (own text tokens, width).
  [[nodiscard]] at::Tensor project_text(at::Tensor const& prompt_embeds,
                                        TokenLayout const& layout) const;

  /// The blocks' shifts, scales and gates of all steps: timesteps (T) and guidance (B) as the
  /// pipeline hands them to the model (sigma; guidance_scale), pooled (B, pooled_projection_dim) ->
  /// (T, B, all vectors).
  [[nodiscard]] at::Tensor modulate(at::Tensor const& timesteps, at::Tensor const& guidance,
                                    at::Tensor const& pooled) const;

  /// The angles of a rank's own tokens, text then image, which all images of a size share.
  [[nodiscard]] ops::RotaryTable make_rotary_table(TokenLayout const& layout,
                                                   std::int64_t packed_width,
                                                   c10::Device device) const;

  /// One evaluation: latents (B, own image tokens, in_channels), text (B, own text tokens, width),
  /// modulation of the step (B, all vectors) -> prediction of the same shape as latents. A
  /// collective of the branch; `exchange` is of the layout that `rotary` was made for.
  [[nodiscard]] at::Tensor operator()(at::Tensor const& latents, at::Tensor const& text,
                                      at::Tensor const& modulation, ops::RotaryTable const& rotary,
                                      flux::SequenceExchange& exchange, SideStream& beside) const;

 private:
  FluxConfig config_;
  ops::Linear image_in_;
  ops::Linear text_in_;
  flux::TimeTextEmbedding time_text_;
  flux::ModulationLayers modulation_;
  std::vector<flux::DoubleBlock> double_blocks_;
  std::vector<flux::SingleBlock> single_blocks_;
  flux::ModulationPlace modulation_out_;  // scale, shift
  ops::Linear out_;
};

/// Spatial latents (1, C, 2h, 2w) -> packed (h * w, 4 C), row by row: a token is 2x2 latent pixels.
[[nodiscard]] at::Tensor pack_latents(at::Tensor const& spatial);
/// Packed (h * w, 4 C) -> (1, C, 2h, 2w)
[[nodiscard]] at::Tensor unpack_latents(at::Tensor const& packed, std::int64_t packed_height,
                                        std::int64_t packed_width);

}  // namespace ditbatch
