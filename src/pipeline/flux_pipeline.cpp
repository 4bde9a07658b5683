#include "pipeline/flux_pipeline.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "core/log.hpp"
#include "sample/denoise.hpp"
#include "sample/initial_latents.hpp"

namespace ditbatch {

namespace {

constexpr std::uint64_t random_weights_seed = 0;

c10::ScalarType scalar_type(Dtype dtype) {
  return dtype == Dtype::bf16 ? c10::kBFloat16 : dtype == Dtype::fp16 ? c10::kHalf : c10::kFloat;
}

std::unique_ptr<WeightSource> weights_of(Checkpoint const& checkpoint, char const* name,
                                         ModelConfig const& model, c10::Device device) {
  c10::ScalarType const dtype = scalar_type(model.dtype);
  return model.random_weights ? random_weights(random_weights_seed, dtype, device)
                              : open_weights(checkpoint.component(name), dtype, device);
}

template <class Model, class Config>
Model load(Checkpoint const& checkpoint, char const* name, Config const& config,
           ModelConfig const& model, c10::Device device) {
  return Model(config, *weights_of(checkpoint, name, model, device));
}

}  // namespace

FluxPipeline::FluxPipeline(Checkpoint const& checkpoint, FluxConfigs const& configs,
                           ModelConfig const& model, MeshComms& comms, c10::Device device)
    : configs_(configs),
      comms_(comms),
      device_(device),
      dtype_(scalar_type(model.dtype)),
      transformer_(
          load<FluxTransformer>(checkpoint, "transformer", configs.transformer, model, device)),
      vae_(load<VaeDecoder>(checkpoint, "vae", configs.vae, model, device)) {
  if (!comms.is_branch_leader()) return;
  Problems problems;
  encoders_.emplace(
      Encoders{open_t5_tokenizer(checkpoint.component("tokenizer_2").folder, problems),
               open_clip_tokenizer(checkpoint.component("tokenizer").folder, problems),
               load<T5Encoder>(checkpoint, "text_encoder_2", configs.t5, model, device),
               load<ClipTextEncoder>(checkpoint, "text_encoder", configs.clip, model, device)});
  problems.throw_if_any();
}

PromptEmbeds FluxPipeline::encode(std::string const& clip_prompt, std::string const& t5_prompt,
                                  std::int64_t max_sequence_length) {
  auto const options = at::TensorOptions().dtype(dtype_).device(device_);
  PromptEmbeds embeds;
  if (encoders_) {
    auto const tokens = static_cast<std::size_t>(max_sequence_length);
    embeds.t5 = encoders_->t5.encode(encoders_->t5_tokenizer->encode(t5_prompt, tokens)).to(dtype_);
    embeds.clip = encoders_->clip
                      .encode_pooled(encoders_->clip_tokenizer->encode(
                          clip_prompt, static_cast<std::size_t>(configs_.clip.positions)))
                      .to(dtype_);
  } else {
    embeds.t5 = at::empty({1, max_sequence_length, configs_.t5.width}, options);
    embeds.clip = at::empty({1, configs_.clip.width}, options);
  }
  return {comms_.branch->broadcast(embeds.t5, 0),
          comms_.branch->broadcast(embeds.clip, 0)};  // comm: branch
}

RecordEmbeds FluxPipeline::encode_prompt(ImageRecord const& record) {
  // As in diffusers: an empty second prompt means the first.
  auto const second = [](std::optional<std::string> const& text, std::string const& first) {
    return text && !text->empty() ? *text : first;
  };
  bool const one_half = comms_.cfg->size() == 1;
  RecordEmbeds embeds;
  if (one_half || comms_.coordinate.cfg == 0) {
    embeds.conditional =
        encode(record.prompt, second(record.prompt_2, record.prompt), record.max_sequence_length);
  }
  if (record.uses_true_cfg() && (one_half || comms_.coordinate.cfg == 1)) {
    embeds.unconditional =
        encode(*record.negative_prompt, second(record.negative_prompt_2, *record.negative_prompt),
               record.max_sequence_length);
  }
  return embeds;
}

at::Tensor FluxPipeline::initial_latents(ImageRecord const& record) const {
  std::int64_t const scale = configs_.vae.scale_factor();
  LatentShape const shape{configs_.vae.latent_channels, record.height_px / scale,
                          record.width_px / scale};
  return pack_latents(draw_initial_latents(record.seed, shape, dtype_)).to(device_);
}

at::Tensor FluxPipeline::denoise(at::Tensor const& noise, RecordEmbeds const& embeds,
                                 ImageRecord const& record) {
  std::int64_t const tokens = noise.size(0);
  std::int64_t const packed_width = record.width_px / (2 * configs_.vae.scale_factor());
  TokenLayout const layout = make_token_layout(
      record.max_sequence_length, tokens,
      {comms_.shape.ring, comms_.shape.ulysses, comms_.coordinate.ring, comms_.coordinate.ulysses});
  DenoiseInputs inputs;
  auto const prepare = [&](PromptEmbeds const& prompt) {
    return transformer_.prepare(prompt.t5, prompt.clip, layout, packed_width);
  };
  if (embeds.conditional.t5.defined()) inputs.conditional = prepare(embeds.conditional);
  if (embeds.unconditional.t5.defined()) inputs.unconditional = prepare(embeds.unconditional);
  inputs.guidance_scale = record.guidance_scale;
  inputs.true_cfg_scale = record.true_cfg_scale;
  inputs.uses_true_cfg = record.uses_true_cfg();

  at::Tensor full = at::empty_like(noise);
  if (inputs.uses_true_cfg || comms_.coordinate.cfg == 0) {
    Shard const own = layout.own_image();
    at::Tensor const latents = ditbatch::denoise(
        transformer_, noise.narrow(0, own.offset, own.size), inputs,
        make_flow_match_schedule(configs_.schedule, record.steps, tokens), comms_);
    full = comms_.branch->all_gather_rows(latents, sizes_of(layout.image));  // comm: branch
  }
  // A record without true CFG was made by the first half alone; the second needs it to decode its
  // rows.
  if (!inputs.uses_true_cfg) full = comms_.cfg->broadcast(full, 0);  // comm: cfg
  return full;
}

DecodedImage FluxPipeline::decode_latents(at::Tensor const& latents, ImageRecord const& record) {
  std::int64_t const token_px = 2 * configs_.vae.scale_factor();
  at::Tensor const spatial =
      unpack_latents(latents, record.height_px / token_px, record.width_px / token_px);
  return vae_.decode(spatial, *comms_.replica);
}

}  // namespace ditbatch
