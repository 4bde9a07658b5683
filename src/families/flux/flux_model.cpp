#include "families/flux/flux_model.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "sample/denoise.hpp"
#include "sample/initial_latents.hpp"

namespace ditbatch::flux {

FluxModel::FluxModel(Checkpoint const& checkpoint, FluxConfigs const& configs,
                     ModelConfig const& model, MeshComms& comms, c10::Device device,
                     ops::CudaGraphs graphs)
    : FluxModel(ComponentLoader(checkpoint, model, comms, device), checkpoint, configs, comms,
                device, graphs) {}

FluxModel::FluxModel(ComponentLoader loader, Checkpoint const& checkpoint,
                     FluxConfigs const& configs, MeshComms& comms, c10::Device device,
                     ops::CudaGraphs graphs)
    : configs_(configs),
      comms_(comms),
      device_(device),
      dtype_(loader.dtype()),
      graphs_(graphs),
      transformer_(loader.on_all_ranks<FluxTransformer>("transformer", configs.transformer)),
      vae_(loader.on_all_ranks<VaeDecoder>("vae", configs.vae)),
      graph_pool_(ops::make_graph_pool()),
      runner_(transformer_, comms, device, graphs, graph_pool_) {
  if (comms.is_branch_leader()) {
    encoders_.emplace(
        Encoders{open_tokenizers(checkpoint, configs),
                 loader.on_branch_leaders<T5Encoder>("text_encoder_2", configs.t5),
                 loader.on_branch_leaders<ClipTextEncoder>("text_encoder", configs.clip)});
  }
  load_report_ = loader.finish();
}

TokenCounts FluxModel::count_tokens(ImageRecord const& record) const {
  return encoders_ ? flux::count_tokens(encoders_->tokenizers, record) : TokenCounts();
}

std::vector<at::Tensor> FluxModel::encode_on_device(Prompt const& prompt) {
  Encoders& encoders = *encoders_;
  auto const t5_ids = encoders.tokenizers.t5->encode(
      prompt.t5, static_cast<std::size_t>(prompt.max_sequence_length));
  auto const clip_ids = encoders.tokenizers.clip->encode(
      prompt.clip, static_cast<std::size_t>(configs_.clip.positions));
  at::Tensor const t5_tokens = encoders.t5.tokens_of(t5_ids);
  ClipTextEncoder::Tokens const clip_tokens = encoders.clip.tokens_of(clip_ids);

  ops::GraphedCall& t5 = encoders.t5_calls.get(t5_tokens.size(1), [&] {
    auto const run = [&encoder = encoders.t5, bias = encoders.t5.position_bias(t5_tokens.size(1))](
                         std::vector<at::Tensor> const& inputs) {
      return std::vector{encoder.encode_tokens(inputs[0], bias)};
    };
    return ops::GraphedCall(run, graphs_, graph_pool_);
  });
  ops::GraphedCall& clip = encoders.clip_calls.get(clip_tokens.ids.size(1), [&] {
    auto const run = [&encoder = encoders.clip](std::vector<at::Tensor> const& inputs) {
      return std::vector{encoder.encode_tokens({inputs[0], inputs[1]})};
    };
    return ops::GraphedCall(run, graphs_, graph_pool_);
  });
  return {t5({t5_tokens}).front().to(dtype_),
          clip({clip_tokens.ids, clip_tokens.end}).front().to(dtype_)};
}

std::vector<at::Tensor> FluxModel::encode(Prompt const& prompt) {
  auto const options = at::TensorOptions().dtype(dtype_).device(device_);
  std::vector<at::Tensor> const embeds =
      encoders_
          ? encode_on_device(prompt)
          : std::vector{at::empty({1, prompt.max_sequence_length, configs_.t5.width}, options),
                        at::empty({1, configs_.clip.width}, options)};
  return {comms_.branch->broadcast(embeds[0], 0),   // comm: branch
          comms_.branch->broadcast(embeds[1], 0)};  // comm: branch
}

Conditioning FluxModel::encode_prompt(ImageRecord const& record) {
  bool const one_half = comms_.cfg->size() == 1;
  Conditioning made;
  if (one_half || comms_.coordinate.cfg == 0) {
    made.branches[0] = encode({record.prompt, second_or_first(record.prompt_2, record.prompt),
                               record.max_sequence_length});
  }
  if (uses_true_cfg(record) && (one_half || comms_.coordinate.cfg == 1)) {
    made.branches[1] = encode({*record.negative_prompt,
                               second_or_first(record.negative_prompt_2, *record.negative_prompt),
                               record.max_sequence_length});
  }
  return made;
}

at::Tensor FluxModel::initial_latents(ImageRecord const& record) const {
  std::int64_t const scale = configs_.vae.scale_factor();
  LatentShape const shape{configs_.vae.latent_channels, record.height_px / scale,
                          record.width_px / scale};
  at::Tensor const noise = draw_initial_latents(record.seed, shape, dtype_);
  if (device_.is_cpu()) return pack_latents(noise);
  // A copy from pageable memory would wait for all that the GPU still has to do.
  return pack_latents(noise.pin_memory().to(device_, /*non_blocking=*/true));
}

FluxModel::BranchInputs FluxModel::branch_inputs(int branch,
                                                 std::vector<Conditioning> const& prompts,
                                                 std::vector<ImageRecord> const& records,
                                                 TokenLayout const& layout,
                                                 Schedule const& schedule) {
  std::vector<at::Tensor> text, pooled;
  std::vector<float> guidance;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::vector<at::Tensor> const& prompt =
        prompts[i].branches.at(static_cast<std::size_t>(branch));
    if (prompt.empty()) return {};  // another rank runs this branch, or none does
    text.push_back(transformer_.project_text(prompt[0], layout));
    pooled.push_back(prompt[1]);
    guidance.push_back(static_cast<float>(records[i].guidance_scale));
  }
  return {at::stack(text),
          runner_.modulate(model_timesteps(schedule, dtype_, device_),
                           at::tensor(guidance, at::kFloat).to(device_), at::cat(pooled))};
}

std::vector<at::Tensor> FluxModel::denoise(std::vector<at::Tensor> const& noise,
                                           std::vector<Conditioning> const& prompts,
                                           std::vector<ImageRecord> const& records) {
  ImageRecord const& first = records.front();
  std::int64_t const tokens = noise.front().size(0);
  TokenLayout const layout = make_token_layout(
      first.max_sequence_length, tokens,
      {comms_.shape.ring, comms_.shape.ulysses, comms_.coordinate.ring, comms_.coordinate.ulysses});
  Schedule const schedule = make_flow_match_schedule(configs_.schedule, first.steps, tokens);
  std::vector<double> cfg_scales;
  for (ImageRecord const& record : records)
    if (uses_true_cfg(record)) cfg_scales.push_back(record.true_cfg_scale);

  std::vector<at::Tensor> full;
  for (at::Tensor const& one : noise) full.push_back(at::empty_like(one));
  if (!cfg_scales.empty() || comms_.coordinate.cfg == 0) {
    std::array<BranchInputs, 2> const branches{
        branch_inputs(0, prompts, records, layout, schedule),
        branch_inputs(1, prompts, records, layout, schedule)};
    auto const predict = [&](at::Tensor const& latents, std::size_t step, int branch) {
      BranchInputs const& inputs = branches.at(static_cast<std::size_t>(branch));
      ensure(inputs.text.defined(), "a rank has the prompts of the branches that it runs");
      return runner_.predict(latents, inputs.text,
                             inputs.modulation.select(0, static_cast<std::int64_t>(step)), layout,
                             first.width_px / configs_.token_px());
    };
    Shard const own = layout.own_image();
    at::Tensor const latents =
        ditbatch::denoise(at::stack(noise).narrow(1, own.offset, own.size).contiguous(), cfg_scales,
                          schedule, comms_, predict);  // (B, own tokens, in_channels)
    for (std::size_t i = 0; i < full.size(); ++i) {
      full[i] = comms_.branch->all_gather_rows(latents.select(0, static_cast<std::int64_t>(i)),
                                               sizes_of(layout.image));  // comm: branch
    }
  }
  // Images without true CFG were made by the first half alone; the second needs them to decode its
  // rows.
  if (cfg_scales.empty()) {
    for (at::Tensor& one : full) one = comms_.cfg->broadcast(one, 0);  // comm: cfg
  }
  return full;
}

DecodedImage FluxModel::decode_latents(at::Tensor const& latents, ImageRecord const& record) {
  at::Tensor const spatial = unpack_latents(latents, record.height_px / configs_.token_px(),
                                            record.width_px / configs_.token_px());
  ops::GraphedCall& decode = decode_calls_.get({spatial.size(2), spatial.size(3)}, [&] {
    auto const run = [this](std::vector<at::Tensor> const& inputs) {
      DeviceImage const image = vae_.decode_on_device(inputs[0], *comms_.replica);
      return image.pixels.defined() ? std::vector{image.finite, image.pixels}
                                    : std::vector{image.finite};
    };
    return ops::GraphedCall(run, graphs_, graph_pool_);
  });
  std::vector<at::Tensor> const made = decode({spatial});
  return to_host({made.size() > 1 ? made[1] : at::Tensor(), made[0]});
}

}  // namespace ditbatch::flux
