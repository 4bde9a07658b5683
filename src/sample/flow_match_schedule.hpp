#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/json_config.hpp"

namespace at {
class Tensor;
}

namespace ditbatch {

/// diffusers' FlowMatchEulerDiscreteScheduler, with sigmas that the pipeline hands it.
struct FlowMatchConfig {
  double shift = 1.0;
  bool use_dynamic_shifting = false;
  double base_shift = 0.5;
  double max_shift = 1.15;
  std::int64_t base_image_tokens = 256;
  std::int64_t max_image_tokens = 4096;
  double shift_terminal = 0;  // 0: none
  enum class TimeShift { exponential, linear } time_shift = TimeShift::exponential;
};

/// Reads scheduler/scheduler_config.json. Options that would draw another schedule than the one
/// built here (karras, exponential or beta sigmas, stochastic sampling, inverted sigmas) are
/// problems.
[[nodiscard]] FlowMatchConfig read_flow_match_config(JsonConfig const& config,
                                                     std::string const& class_name,
                                                     Problems& problems);

/// Its class and every value that decides, as the file or diffusers' defaults have it.
[[nodiscard]] std::string scheduler_json(FlowMatchConfig const& config);

/// The noise levels of an image; `sigmas` has steps + 1 entries, the last is 0.
struct Schedule {
  std::vector<float> sigmas;
  std::vector<float> timesteps;  // 1000 x sigma
  [[nodiscard]] std::size_t steps() const { return timesteps.size(); }
};

[[nodiscard]] Schedule make_flow_match_schedule(FlowMatchConfig const& config, std::int64_t steps,
                                                std::int64_t image_tokens);

/// x + (sigma_next - sigma) * prediction, with diffusers' roundings: latents in float32, the
/// product in the prediction's dtype, the sum in float32 and back.
[[nodiscard]] at::Tensor euler_step(at::Tensor const& latents, at::Tensor const& prediction,
                                    Schedule const& schedule, std::size_t step);

}  // namespace ditbatch
