#include "sample/denoise.hpp"

#include <ATen/ATen.h>

namespace ditbatch {

namespace {

struct Predictions {
  at::Tensor conditional;
  at::Tensor unconditional;
};

// Both branches' predictions for own tokens, whichever half made them.
Predictions exchange_branches(at::Tensor const& own_prediction, TensorComm& cfg) {
  std::int64_t const images = own_prediction.size(0);
  at::Tensor const both = cfg.all_gather_rows(own_prediction, {images, images});  // comm: cfg
  return {both.narrow(0, 0, images), both.narrow(0, images, images)};
}

// Image by image, each with its scale.
at::Tensor combine(Predictions const& both, std::vector<double> const& scales) {
  std::vector<at::Tensor> images;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    auto const of = [i](at::Tensor const& x) {
      return x.narrow(0, static_cast<std::int64_t>(i), 1);
    };
    at::Tensor const unconditional = of(both.unconditional);
    images.push_back(unconditional + scales[i] * (of(both.conditional) - unconditional));
  }
  return images.size() == 1 ? images.front() : at::cat(images);
}

}  // namespace

at::Tensor model_timesteps(Schedule const& schedule, c10::ScalarType dtype, c10::Device device) {
  return at::tensor(schedule.timesteps, at::kFloat).to(device).to(dtype) / 1000;
}

at::Tensor denoise(at::Tensor const& own_latents, std::vector<double> const& cfg_scales,
                   Schedule const& schedule, MeshComms const& comms, Predict const& predict) {
  at::Tensor latents = own_latents;
  for (std::size_t step = 0; step < schedule.steps(); ++step) {
    at::Tensor prediction;
    if (cfg_scales.empty()) {
      prediction = predict(latents, step, 0);
    } else if (comms.cfg->size() == 2) {
      at::Tensor const own = predict(latents, step, comms.coordinate.cfg);
      prediction = combine(exchange_branches(own, *comms.cfg), cfg_scales);
    } else {
      at::Tensor const conditional = predict(latents, step, 0);
      prediction = combine({conditional, predict(latents, step, 1)}, cfg_scales);
    }
    latents = euler_step(latents, prediction, schedule, step);
  }
  return latents;
}

}  // namespace ditbatch
