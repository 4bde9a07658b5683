#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "models/flux/flux_blocks.hpp"

namespace ditbatch {

/// FLUX.1's transformer on one rank of a CFG branch: full weights, a shard of the tokens.
class FluxTransformer {
 public:
  FluxTransformer(FluxConfig const& config, WeightSource& source);

  /// What stays the same over the steps of an image, for one prompt.
  struct Conditioning {
    at::Tensor text;    // (own text tokens, width), projected
    at::Tensor pooled;  // (1, pooled_projection_dim)
    flux::RotaryTable rotary;
    TokenLayout layout;
  };
  /// prompt_embeds (1, text tokens, joint_attention_dim) and pooled (1, pooled_projection_dim), in
  /// full.
  [[nodiscard]] Conditioning prepare(at::Tensor const& prompt_embeds, at::Tensor const& pooled,
                                     TokenLayout const& layout, std::int64_t packed_width) const;

  /// One evaluation: latents (own image tokens, in_channels), timestep and guidance as 1-element
  /// tensors as the pipeline hands them to the model (sigma; guidance_scale) -> prediction of the
  /// same shape as latents. A collective of the branch.
  [[nodiscard]] at::Tensor operator()(at::Tensor const& latents, at::Tensor const& timestep,
                                      at::Tensor const& guidance, Conditioning const& conditioning,
                                      flux::SequenceComms const& comms) const;

  [[nodiscard]] FluxConfig const& config() const { return config_; }

 private:
  FluxConfig config_;
  ops::Linear image_in_;
  ops::Linear text_in_;
  flux::TimeTextEmbedding time_text_;
  std::vector<flux::DoubleBlock> double_blocks_;
  std::vector<flux::SingleBlock> single_blocks_;
  ops::Linear modulation_out_;  // width -> 2 x width: scale, shift
  ops::Linear out_;
};

/// Spatial latents (1, C, 2h, 2w) -> packed (h * w, 4 C), row by row: a token is 2x2 latent pixels.
[[nodiscard]] at::Tensor pack_latents(at::Tensor const& spatial);
/// Packed (h * w, 4 C) -> (1, C, 2h, 2w)
[[nodiscard]] at::Tensor unpack_latents(at::Tensor const& packed, std::int64_t packed_height,
                                        std::int64_t packed_width);

}  // namespace ditbatch
