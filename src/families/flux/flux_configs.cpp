#include "families/flux/flux_configs.hpp"

#include "models/flux/flux_transformer.hpp"
#include "models/vae/vae_decoder.hpp"
#include "text/tokenizer.hpp"
#include "weights/parameters.hpp"

namespace ditbatch::flux {

namespace {

template <class Model, class Config>
void check_component(Checkpoint const& checkpoint, char const* name, Config const& config,
                     Problems& problems) {
  check_parameters(checkpoint.component(name), parameters_of<Model>(config, c10::kFloat), problems);
}

void check_fit(Checkpoint const& checkpoint, FluxConfigs const& configs, Problems& problems) {
  JsonConfig const& transformer = checkpoint.component("transformer").config;
  auto const expect = [&](char const* key, std::int64_t has, std::int64_t needs,
                          char const* whose) {
    if (has == needs) return;
    transformer.add_problem(key,
                            "is " + std::to_string(has) + " (" + whose + " gives " +
                                std::to_string(needs) +
                                ") the parts belong to different checkpoints",
                            problems);
  };
  expect("in_channels", configs.transformer.in_channels, 4 * configs.vae.latent_channels,
         "4 x the VAE's latent_channels");
  expect("joint_attention_dim", configs.transformer.joint_attention_dim, configs.t5.width,
         "text_encoder_2's d_model");
  expect("pooled_projection_dim", configs.transformer.pooled_projection_dim, configs.clip.width,
         "text_encoder's hidden_size");
}

}  // namespace

FluxConfigs read_flux_configs(Checkpoint const& checkpoint, WeightFiles weight_files,
                              Problems& problems) {
  FluxConfigs configs;
  Problems found;
  auto const config_of = [&](char const* name) -> JsonConfig const& {
    return checkpoint.component(name).config;
  };
  configs.transformer = read_flux_config(config_of("transformer"), found);
  configs.vae = read_vae_config(config_of("vae"), found);
  configs.t5 = read_t5_config(config_of("text_encoder_2"), found);
  configs.clip = read_clip_config(config_of("text_encoder"), found);
  configs.schedule = read_flow_match_config(config_of("scheduler"),
                                            checkpoint.component("scheduler").class_name, found);
  check_fit(checkpoint, configs, found);
  (void)open_clip_tokenizer(checkpoint.component("tokenizer").folder, found);
  (void)open_t5_tokenizer(checkpoint.component("tokenizer_2").folder, found);
  // The models' shapes follow from sound configs only.
  if (found.empty() && weight_files == WeightFiles::required) {
    check_component<FluxTransformer>(checkpoint, "transformer", configs.transformer, found);
    check_component<VaeDecoder>(checkpoint, "vae", configs.vae, found);
    check_component<T5Encoder>(checkpoint, "text_encoder_2", configs.t5, found);
    check_component<ClipTextEncoder>(checkpoint, "text_encoder", configs.clip, found);
  }
  problems.append(found);
  return configs;
}

Dtype vae_dtype(FluxConfigs const& configs, Dtype dtype) {
  return dtype == Dtype::fp16 && configs.vae.force_upcast ? Dtype::fp32 : dtype;
}

bool uses_true_cfg(ImageRecord const& record) {
  return record.true_cfg_scale > 1.0 && record.negative_prompt.has_value();
}

}  // namespace ditbatch::flux
