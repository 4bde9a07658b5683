#include "sample/denoise.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace ditbatch {

namespace {

struct Predictions {
  at::Tensor conditional;
  at::Tensor unconditional;
};

// Both branches' predictions for own tokens, whichever half made them.
Predictions exchange_branches(at::Tensor const& own_prediction, TensorComm& cfg) {
  std::int64_t const rows = own_prediction.size(0);
  at::Tensor const both = cfg.all_gather_rows(own_prediction, {rows, rows});  // comm: cfg
  return {both.narrow(0, 0, rows), both.narrow(0, rows, rows)};
}

}  // namespace

at::Tensor denoise(FluxTransformer const& transformer, at::Tensor const& own_latents,
                   DenoiseInputs const& inputs, Schedule const& schedule, MeshComms const& comms) {
  auto const options = at::TensorOptions().dtype(at::kFloat).device(own_latents.device());
  at::Tensor const guidance = at::full({1}, inputs.guidance_scale, options);
  flux::SequenceComms const sequence{*comms.ulysses, *comms.ring};
  bool const has_two_halves = comms.cfg->size() == 2;

  at::Tensor latents = own_latents;
  for (std::size_t step = 0; step < schedule.steps(); ++step) {
    // Rounded to the latents' type before the division, as the pipeline hands it to the model.
    at::Tensor const timestep =
        at::full({1}, schedule.timesteps[step], options).to(latents.scalar_type()) / 1000;
    auto const predict = [&](std::optional<FluxTransformer::Conditioning> const& prompt) {
      ensure(prompt.has_value(), "a rank has the prompts of the branches that it runs");
      return transformer(latents, timestep, guidance, *prompt, sequence);
    };
    at::Tensor prediction;
    if (!inputs.uses_true_cfg) {
      prediction = predict(inputs.conditional);
    } else {
      Predictions const both =
          has_two_halves
              ? exchange_branches(
                    predict(comms.coordinate.cfg == 0 ? inputs.conditional : inputs.unconditional),
                    *comms.cfg)
              : Predictions{predict(inputs.conditional), predict(inputs.unconditional)};
      prediction =
          both.unconditional + inputs.true_cfg_scale * (both.conditional - both.unconditional);
    }
    latents = euler_step(latents, prediction, schedule, step);
  }
  return latents;
}

}  // namespace ditbatch
