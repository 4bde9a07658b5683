#include "families/flux/flux_family.hpp"

#include <string_view>

#include "config/load_run_config.hpp"
#include "families/dtype.hpp"
#include "families/flux/flux_configs.hpp"
#include "families/flux/flux_model.hpp"
#include "families/flux/flux_tokens.hpp"
#include "families/flux/flux_work.hpp"
#include "families/work_shape.hpp"
#include "models/vae/vae_layers.hpp"
#include "text/tokenizer.hpp"

namespace ditbatch::flux {

namespace {

constexpr std::int64_t most_text_tokens = 512;  // diffusers' FluxPipeline refuses more

// What differs between the images of a batch: their prompts are encoded one by one, their noise is
// drawn one by one, each has its row of guidance and its scale.
constexpr std::array<std::string_view, 9> per_image{
    "prompt", "prompt_2",       "negative_prompt", "negative_prompt_2", "seed",
    "tags",   "guidance_scale", "true_cfg_scale",  "metadata"};

ImageWork work_of(ImageRecord const& record) {
  return {record.width_px, record.height_px, record.steps, record.max_sequence_length,
          uses_true_cfg(record) ? Branches::both : Branches::conditional};
}

class FluxFamily final : public Family {
 public:
  FluxFamily(FluxConfigs configs, ModelConfig model)
      : configs_(std::move(configs)), model_(std::move(model)) {}

  [[nodiscard]] WorkShape work_shape(ImageRecord const& record,
                                     BatchRule const& rule) const override {
    ImageWork const image = work_of(record);
    int const branches = image.branches == Branches::both ? 2 : 1;
    double const step_flop = flop_of(step_calls(image, 1, {}, {})).total();
    std::int64_t const tokens =
        image.text_tokens + configs_.image_tokens(image.width_px, image.height_px);
    return {bucket_of(record, branches, per_image),
            static_cast<double>(image.steps * branches) * step_flop + decoder_flop(image),
            batch_size_for(tokens, rule)};
  }

  [[nodiscard]] bool has_both_branches(ImageRecord const& record) const override {
    return uses_true_cfg(record);
  }

  [[nodiscard]] std::function<TokenCounts(ImageRecord const&)> token_counter(
      Checkpoint const& checkpoint) const override {
    auto const tokenizers =
        std::make_shared<FluxTokenizers const>(open_tokenizers(checkpoint, configs_));
    return [tokenizers](ImageRecord const& record) { return count_tokens(*tokenizers, record); };
  }

  [[nodiscard]] std::vector<StepCall> step_calls(ImageWork const& image, int batch,
                                                 MeshShape const& mesh,
                                                 MeshCoordinate const& at) const override {
    return flux::step_calls(configs_.transformer, layout_of(configs_, image, mesh, at), batch);
  }

  [[nodiscard]] double decoder_flop(ImageWork const& image) const override {
    return ditbatch::decoder_flop(configs_.vae, image.width_px, image.height_px);
  }

  [[nodiscard]] ExchangeBytes exchange_bytes(ImageWork const& image, MeshShape const& mesh,
                                             MeshCoordinate const& at) const override {
    ElementBytes const element{bytes_of(model_.dtype), bytes_of(vae_dtype(configs_, model_.dtype))};
    return flux::exchange_bytes(configs_, element, image, mesh, at);
  }

  [[nodiscard]] std::unique_ptr<Model> load(Checkpoint const& checkpoint, MeshComms& comms,
                                            c10::Device device,
                                            ops::CudaGraphs graphs) const override {
    return std::make_unique<FluxModel>(checkpoint, configs_, model_, comms, device, graphs);
  }

 private:
  FluxConfigs configs_;
  ModelConfig model_;
};

}  // namespace

Sampling default_sampling() { return {1024, 1024, 28, 3.5, 1.0, "auto", most_text_tokens}; }

void fill_plan(ModelConfig const& model, ModelPlan& plan, Problems& problems) {
  FluxConfigs const configs = read_flux_configs(
      plan.checkpoint, model.random_weights ? WeightFiles::ignored : WeightFiles::required,
      problems);
  if (!problems.empty()) return;
  plan.rules.defaults = default_sampling();
  plan.rules.size_multiple = configs.token_px();
  plan.rules.most_text_tokens = most_text_tokens;
  plan.rules.uses_guidance = configs.transformer.guidance_embeds;
  plan.mesh.heads = static_cast<int>(configs.transformer.heads);
  plan.identity.dtypes = {{"text_encoder", dtype_name(model.dtype)},
                          {"text_encoder_2", dtype_name(model.dtype)},
                          {"transformer", dtype_name(model.dtype)},
                          {"vae", dtype_name(vae_dtype(configs, model.dtype))}};
  plan.scheduler = scheduler_json(configs.schedule);
  plan.rank_weight_bytes = plan.checkpoint.component("transformer").weight_bytes();
  auto const folder_of = [&](char const* name) { return plan.checkpoint.component(name).folder; };
  plan.tokenizers["tokenizer"] = open_clip_tokenizer(folder_of("tokenizer"), problems)->source();
  plan.tokenizers["tokenizer_2"] = open_t5_tokenizer(folder_of("tokenizer_2"), problems)->source();
  plan.family = std::make_shared<FluxFamily>(configs, model);
}

}  // namespace ditbatch::flux
