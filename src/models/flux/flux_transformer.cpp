#include "models/flux/flux_transformer.hpp"

#include <ATen/ATen.h>

#include <string>

namespace ditbatch {

FluxTransformer::FluxTransformer(FluxConfig const& config, WeightSource& source)
    : config_(config),
      image_in_(ops::take_linear(source, "x_embedder", config.in_channels, config.width())),
      text_in_(
          ops::take_linear(source, "context_embedder", config.joint_attention_dim, config.width())),
      time_text_(flux::take_time_text_embedding(source, config)) {
  for (std::int64_t i = 0; i < config.double_blocks; ++i) {
    double_blocks_.emplace_back(source, "transformer_blocks." + std::to_string(i) + ".", config_,
                                modulation_);
  }
  for (std::int64_t i = 0; i < config.single_blocks; ++i) {
    single_blocks_.emplace_back(source, "single_transformer_blocks." + std::to_string(i) + ".",
                                config_, modulation_);
  }
  modulation_out_ = modulation_.take(source, "norm_out.linear", config.width(), 2);
  out_ = ops::take_linear(source, "proj_out", config.width(), config.in_channels);
}

at::Tensor FluxTransformer::project_text(at::Tensor const& prompt_embeds,
                                         TokenLayout const& layout) const {
  Shard const own = layout.own_text();
  return text_in_(prompt_embeds.squeeze(0).narrow(0, own.offset, own.size));
}

at::Tensor FluxTransformer::modulate(at::Tensor const& timesteps, at::Tensor const& guidance,
                                     at::Tensor const& pooled) const {
  at::ScalarType const dtype = pooled.scalar_type();
  at::Tensor const embedding =
      time_text_(timesteps.to(dtype) * 1000, guidance.to(dtype) * 1000, pooled);  // (T, B, width)
  at::Tensor const all = modulation_(ops::silu(embedding).flatten(0, 1));
  return all.view({timesteps.size(0), pooled.size(0), -1});
}

ops::RotaryTable FluxTransformer::make_rotary_table(TokenLayout const& layout,
                                                    std::int64_t packed_width,
                                                    c10::Device device) const {
  return flux::make_rotary_table(config_, layout, packed_width, device);
}

at::Tensor FluxTransformer::operator()(at::Tensor const& latents, at::Tensor const& text,
                                       at::Tensor const& modulation, ops::RotaryTable const& rotary,
                                       flux::SequenceExchange& exchange, SideStream& beside) const {
  std::int64_t const text_rows = text.size(1);
  flux::BlockContext const context{config_, modulation, rotary, text_rows, exchange, beside};
  std::int64_t const image_rows = latents.size(1);
  at::Tensor const tokens = at::empty({latents.size(0), text_rows + image_rows, config_.width()},
                                      latents.options());  // (B, S, width)
  ops::copy_rows(text, tokens.narrow(1, 0, text_rows));
  image_in_.into(latents, tokens.narrow(1, text_rows, image_rows));

  // The norm that a block reads is made where its tokens were last changed.
  ops::NormModulation const last = modulation_out_.norm(modulation, 1, 0);
  std::size_t const doubles = double_blocks_.size();
  std::size_t const singles = single_blocks_.size();
  auto const norm_before_single = [&](std::size_t i) {
    return i < singles ? single_blocks_[i].first_norm(modulation) : last;
  };
  auto const norm_before_double = [&](std::size_t i) {
    return i < doubles ? double_blocks_[i].first_norm(modulation) : norm_before_single(0);
  };
  at::Tensor normed = ops::modulated_norm(tokens, norm_before_double(0), text_rows);
  for (std::size_t i = 0; i < doubles; ++i)
    normed = double_blocks_[i](tokens, normed, context, norm_before_double(i + 1));
  for (std::size_t i = 0; i < singles; ++i) {
    flux::Rows const rows = i + 1 == singles ? flux::Rows::image_only : flux::Rows::all;
    normed = single_blocks_[i](tokens, normed, context, norm_before_single(i + 1), rows);
  }
  at::Tensor const image = normed.narrow(1, normed.size(1) - image_rows, image_rows);
  at::Tensor const prediction = at::empty(latents.sizes(), latents.options());
  out_.into(image, prediction);
  return prediction;
}

at::Tensor pack_latents(at::Tensor const& spatial) {
  std::int64_t const channels = spatial.size(1);
  std::int64_t const height = spatial.size(2) / 2;
  std::int64_t const width = spatial.size(3) / 2;
  return spatial.view({channels, height, 2, width, 2})
      .permute({1, 3, 0, 2, 4})  // (h, w, C, 2, 2)
      .reshape({height * width, channels * 4});
}

at::Tensor unpack_latents(at::Tensor const& packed, std::int64_t packed_height,
                          std::int64_t packed_width) {
  std::int64_t const channels = packed.size(1) / 4;
  return packed.view({packed_height, packed_width, channels, 2, 2})
      .permute({2, 0, 3, 1, 4})  // (C, h, 2, w, 2)
      .reshape({1, channels, packed_height * 2, packed_width * 2});
}

}  // namespace ditbatch
