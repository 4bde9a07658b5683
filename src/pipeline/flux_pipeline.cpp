#include "pipeline/flux_pipeline.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "core/log.hpp"
#include "sample/initial_latents.hpp"

namespace ditbatch {

FluxPipeline::FluxPipeline(Checkpoint const& checkpoint, FluxConfigs const& configs,
                           ModelConfig const& model, MeshComms& comms, c10::Device device,
                           PipelineOptions const& options)
    : FluxPipeline(ComponentLoader(checkpoint, model, comms, device), checkpoint, configs, comms,
                   device, options) {}

FluxPipeline::FluxPipeline(ComponentLoader loader, Checkpoint const& checkpoint,
                           FluxConfigs const& configs, MeshComms& comms, c10::Device device,
                           PipelineOptions const& options)
    : configs_(configs),
      comms_(comms),
      device_(device),
      dtype_(loader.dtype()),
      options_(options),
      transformer_(loader.on_all_ranks<FluxTransformer>("transformer", configs.transformer)),
      vae_(loader.on_all_ranks<VaeDecoder>("vae", configs.vae)),
      graph_pool_(ops::make_graph_pool()),
      runner_(transformer_, comms, device, options.cuda_graphs, graph_pool_) {
  if (comms.is_branch_leader()) {
    Problems problems;
    encoders_.emplace(
        Encoders{open_t5_tokenizer(checkpoint.component("tokenizer_2").folder, problems),
                 open_clip_tokenizer(checkpoint.component("tokenizer").folder, problems),
                 loader.on_branch_leaders<T5Encoder>("text_encoder_2", configs.t5),
                 loader.on_branch_leaders<ClipTextEncoder>("text_encoder", configs.clip)});
    problems.throw_if_any();
  }
  load_report_ = loader.finish();
}

PromptEmbeds FluxPipeline::encode_on_device(std::string const& clip_prompt,
                                            std::string const& t5_prompt,
                                            std::int64_t max_sequence_length) {
  Encoders& encoders = *encoders_;
  auto const t5_ids =
      encoders.t5_tokenizer->encode(t5_prompt, static_cast<std::size_t>(max_sequence_length));
  auto const clip_ids = encoders.clip_tokenizer->encode(
      clip_prompt, static_cast<std::size_t>(configs_.clip.positions));
  at::Tensor const t5_tokens = encoders.t5.tokens_of(t5_ids);
  ClipTextEncoder::Tokens const clip_tokens = encoders.clip.tokens_of(clip_ids);

  ops::GraphedCall& t5 = encoders.t5_calls.get(t5_tokens.size(1), [&] {
    auto const run = [&encoder = encoders.t5, bias = encoders.t5.position_bias(t5_tokens.size(1))](
                         std::vector<at::Tensor> const& inputs) {
      return std::vector{encoder.encode_tokens(inputs[0], bias)};
    };
    return ops::GraphedCall(run, options_.cuda_graphs, graph_pool_);
  });
  ops::GraphedCall& clip = encoders.clip_calls.get(clip_tokens.ids.size(1), [&] {
    auto const run = [&encoder = encoders.clip](std::vector<at::Tensor> const& inputs) {
      return std::vector{encoder.encode_tokens({inputs[0], inputs[1]})};
    };
    return ops::GraphedCall(run, options_.cuda_graphs, graph_pool_);
  });
  return {t5({t5_tokens}).front().to(dtype_),
          clip({clip_tokens.ids, clip_tokens.end}).front().to(dtype_)};
}

PromptEmbeds FluxPipeline::encode(std::string const& clip_prompt, std::string const& t5_prompt,
                                  std::int64_t max_sequence_length) {
  auto const options = at::TensorOptions().dtype(dtype_).device(device_);
  PromptEmbeds const embeds =
      encoders_ ? encode_on_device(clip_prompt, t5_prompt, max_sequence_length)
                : PromptEmbeds{at::empty({1, max_sequence_length, configs_.t5.width}, options),
                               at::empty({1, configs_.clip.width}, options)};
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
  at::Tensor const noise = draw_initial_latents(record.seed, shape, dtype_);
  if (device_.is_cpu()) return pack_latents(noise);
  // A copy from pageable memory would wait for all that the GPU still has to do.
  return pack_latents(noise.pin_memory().to(device_, /*non_blocking=*/true));
}

BranchInputs FluxPipeline::branch_inputs(std::vector<PromptEmbeds> const& prompts,
                                         std::vector<ImageRecord> const& records,
                                         TokenLayout const& layout, Schedule const& schedule) {
  std::vector<at::Tensor> text, pooled;
  std::vector<float> guidance;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    text.push_back(transformer_.project_text(prompts[i].t5, layout));
    pooled.push_back(prompts[i].clip);
    guidance.push_back(static_cast<float>(records[i].guidance_scale));
  }
  return {at::stack(text),
          runner_.modulate(model_timesteps(schedule, dtype_, device_),
                           at::tensor(guidance, at::kFloat).to(device_), at::cat(pooled))};
}

std::vector<at::Tensor> FluxPipeline::denoise(std::vector<at::Tensor> const& noise,
                                              std::vector<RecordEmbeds> const& embeds,
                                              std::vector<ImageRecord> const& records) {
  ImageRecord const& first = records.front();
  std::int64_t const tokens = noise.front().size(0);
  TokenLayout const layout = make_token_layout(
      first.max_sequence_length, tokens,
      {comms_.shape.ring, comms_.shape.ulysses, comms_.coordinate.ring, comms_.coordinate.ulysses});
  Schedule const schedule = make_flow_match_schedule(configs_.schedule, first.steps, tokens);

  DenoiseInputs inputs;
  inputs.layout = layout;
  inputs.packed_width = first.width_px / (2 * configs_.vae.scale_factor());
  std::vector<PromptEmbeds> conditional, unconditional;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (embeds[i].conditional.t5.defined()) conditional.push_back(embeds[i].conditional);
    if (embeds[i].unconditional.t5.defined()) unconditional.push_back(embeds[i].unconditional);
    if (records[i].uses_true_cfg()) inputs.true_cfg_scales.push_back(records[i].true_cfg_scale);
  }
  if (!conditional.empty())
    inputs.conditional = branch_inputs(conditional, records, layout, schedule);
  if (!unconditional.empty())
    inputs.unconditional = branch_inputs(unconditional, records, layout, schedule);

  std::vector<at::Tensor> full;
  for (at::Tensor const& one : noise) full.push_back(at::empty_like(one));
  if (inputs.uses_true_cfg() || comms_.coordinate.cfg == 0) {
    Shard const own = layout.own_image();
    at::Tensor const latents =
        ditbatch::denoise(runner_, at::stack(noise).narrow(1, own.offset, own.size).contiguous(),
                          inputs, schedule, comms_);  // (B, own tokens, in_channels)
    for (std::size_t i = 0; i < full.size(); ++i) {
      full[i] = comms_.branch->all_gather_rows(latents.select(0, static_cast<std::int64_t>(i)),
                                               sizes_of(layout.image));  // comm: branch
    }
  }
  // Images without true CFG were made by the first half alone; the second needs them to decode its
  // rows.
  if (!inputs.uses_true_cfg()) {
    for (at::Tensor& one : full) one = comms_.cfg->broadcast(one, 0);  // comm: cfg
  }
  return full;
}

DecodedImage FluxPipeline::decode_latents(at::Tensor const& latents, ImageRecord const& record) {
  std::int64_t const token_px = 2 * configs_.vae.scale_factor();
  at::Tensor const spatial =
      unpack_latents(latents, record.height_px / token_px, record.width_px / token_px);
  ops::GraphedCall& decode = decode_calls_.get({spatial.size(2), spatial.size(3)}, [&] {
    auto const run = [this](std::vector<at::Tensor> const& inputs) {
      DeviceImage const image = vae_.decode_on_device(inputs[0], *comms_.replica);
      return image.pixels.defined() ? std::vector{image.finite, image.pixels}
                                    : std::vector{image.finite};
    };
    return ops::GraphedCall(run, options_.cuda_graphs, graph_pool_);
  });
  std::vector<at::Tensor> const made = decode({spatial});
  return to_host({made.size() > 1 ? made[1] : at::Tensor(), made[0]});
}

}  // namespace ditbatch
