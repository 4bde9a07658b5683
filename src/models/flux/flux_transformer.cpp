#include "models/flux/flux_transformer.hpp"

#include <ATen/ATen.h>

namespace ditbatch {

FluxTransformer::FluxTransformer(FluxConfig const& config, WeightSource& source)
    : config_(config),
      image_in_(ops::take_linear(source, "x_embedder", config.in_channels, config.width())),
      text_in_(
          ops::take_linear(source, "context_embedder", config.joint_attention_dim, config.width())),
      time_text_(flux::take_time_text_embedding(source, config)),
      modulation_out_(
          ops::take_linear(source, "norm_out.linear", config.width(), 2 * config.width())),
      out_(ops::take_linear(source, "proj_out", config.width(), config.in_channels)) {
  for (std::int64_t i = 0; i < config.double_blocks; ++i) {
    double_blocks_.emplace_back(source, "transformer_blocks." + std::to_string(i) + ".", config_);
  }
  for (std::int64_t i = 0; i < config.single_blocks; ++i) {
    single_blocks_.emplace_back(source, "single_transformer_blocks." + std::to_string(i) + ".",
                                config_);
  }
}

FluxTransformer::Conditioning FluxTransformer::prepare(at::Tensor const& prompt_embeds,
                                                       at::Tensor const& pooled,
                                                       TokenLayout const& layout,
                                                       std::int64_t packed_width) const {
  Shard const own = layout.own_text();
  return {text_in_(prompt_embeds.squeeze(0).narrow(0, own.offset, own.size)), pooled,
          flux::make_rotary_table(config_, layout, packed_width, prompt_embeds.device()), layout};
}

at::Tensor FluxTransformer::operator()(at::Tensor const& latents, at::Tensor const& timestep,
                                       at::Tensor const& guidance, Conditioning const& conditioning,
                                       flux::SequenceComms const& comms) const {
  at::ScalarType const dtype = latents.scalar_type();
  at::Tensor const embedding =
      time_text_(timestep.to(dtype) * 1000, guidance.to(dtype) * 1000, conditioning.pooled);
  at::Tensor const activated = ops::silu(embedding);  // (1, width): every modulation begins with it
  flux::BlockContext const context{config_, activated, conditioning.rotary, conditioning.layout,
                                   comms};

  flux::Streams streams{conditioning.text, image_in_(latents)};
  for (flux::DoubleBlock const& block : double_blocks_) streams = block(streams, context);

  at::Tensor tokens = at::cat({streams.text, streams.image});  // (text then image, width)
  for (flux::SingleBlock const& block : single_blocks_) tokens = block(tokens, context);

  at::Tensor const image = tokens.narrow(0, streams.text.size(0), streams.image.size(0));
  std::vector<at::Tensor> const modulation =
      modulation_out_(activated).chunk(2, 1);  // scale, shift
  return out_(flux::modulated_norm(image, modulation[1], modulation[0]));
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
