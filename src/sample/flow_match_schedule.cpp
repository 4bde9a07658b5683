#include "sample/flow_match_schedule.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

namespace {

constexpr char const* class_of_scheduler = "FlowMatchEulerDiscreteScheduler";

}  // namespace

FlowMatchConfig read_flow_match_config(JsonConfig const& config, std::string const& class_name,
                                       Problems& problems) {
  FlowMatchConfig read;
  if (class_name != class_of_scheduler) {
    config.add_problem("_class_name",
                       "not supported: " + in_quotes(class_name) + " (this version runs " +
                           class_of_scheduler + ")",
                       problems);
    return read;
  }
  read.shift = config.get_double("shift", 1.0, problems);
  read.use_dynamic_shifting = config.get_bool("use_dynamic_shifting", false, problems);
  read.base_shift = config.get_double("base_shift", 0.5, problems);
  read.max_shift = config.get_double("max_shift", 1.15, problems);
  read.base_image_tokens = config.get_int("base_image_seq_len", 256, problems);
  read.max_image_tokens = config.get_int("max_image_seq_len", 4096, problems);
  read.shift_terminal = config.get_double("shift_terminal", 0, problems);
  std::string const time_shift = config.get_string("time_shift_type", "exponential", problems);
  if (time_shift == "linear") {
    read.time_shift = FlowMatchConfig::TimeShift::linear;
  } else if (time_shift != "exponential") {
    config.add_problem("time_shift_type",
                       "unknown: " + in_quotes(time_shift) + " (must be exponential or linear)",
                       problems);
  }
  if (config.get_int("num_train_timesteps", 1000, problems) != 1000) {
    config.add_problem("num_train_timesteps",
                       "not supported (the model is asked at timesteps divided by 1000)", problems);
  }
  if (read.base_image_tokens == read.max_image_tokens) {
    config.add_problem("max_image_seq_len",
                       "equals base_image_seq_len (the shift between them is not defined)",
                       problems);
  }
  for (char const* key : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
                          "use_flow_sigmas", "stochastic_sampling", "invert_sigmas"}) {
    if (config.get_bool(key, false, problems))
      config.add_problem(
          key, "not supported (this version draws the plain schedule) set it to false", problems);
  }
  return read;
}

std::string scheduler_json(FlowMatchConfig const& config) {
  bool const is_linear = config.time_shift == FlowMatchConfig::TimeShift::linear;
  return to_text(nlohmann::json{{"class", class_of_scheduler},
                                {"shift", config.shift},
                                {"use_dynamic_shifting", config.use_dynamic_shifting},
                                {"base_shift", config.base_shift},
                                {"max_shift", config.max_shift},
                                {"base_image_seq_len", config.base_image_tokens},
                                {"max_image_seq_len", config.max_image_tokens},
                                {"shift_terminal", config.shift_terminal},
                                {"time_shift_type", is_linear ? "linear" : "exponential"}});
}

// In float32 like the arrays of the reference, whose Python scalars take the array's type.
Schedule make_flow_match_schedule(FlowMatchConfig const& config, std::int64_t steps,
                                  std::int64_t image_tokens) {
  double const slope = (config.max_shift - config.base_shift) /
                       static_cast<double>(config.max_image_tokens - config.base_image_tokens);
  double const mu = static_cast<double>(image_tokens) * slope +
                    (config.base_shift - slope * static_cast<double>(config.base_image_tokens));
  auto const numerator = static_cast<float>(
      config.time_shift == FlowMatchConfig::TimeShift::linear ? mu : std::exp(mu));
  auto const shift = static_cast<float>(config.shift);
  auto const shift_less_one = static_cast<float>(config.shift - 1);

  Schedule schedule;
  double const last = 1.0 / static_cast<double>(steps);
  for (std::int64_t i = 0; i < steps; ++i) {
    // numpy.linspace(1, 1 / n, n)
    double const exact = i == steps - 1 && steps > 1 ? last
                         : steps == 1                ? 1.0
                                                     : 1.0 + static_cast<double>(i) *
                                                  ((last - 1.0) / static_cast<double>(steps - 1));
    auto const t = static_cast<float>(exact);
    schedule.sigmas.push_back(config.use_dynamic_shifting
                                  ? numerator / (numerator + (1.0F / t - 1.0F))
                                  : shift * t / (1.0F + shift_less_one * t));
  }
  if (config.shift_terminal != 0) {
    float const scale =
        (1.0F - schedule.sigmas.back()) / static_cast<float>(1.0 - config.shift_terminal);
    for (float& sigma : schedule.sigmas) sigma = 1.0F - (1.0F - sigma) / scale;
  }
  for (float const sigma : schedule.sigmas) schedule.timesteps.push_back(sigma * 1000.0F);
  schedule.sigmas.push_back(0.0F);
  return schedule;
}

at::Tensor euler_step(at::Tensor const& latents, at::Tensor const& prediction,
                      Schedule const& schedule, std::size_t step) {
  // A difference of two float32 sigmas as a tensor without dimensions on the latents' device: where
  // it lives decides how it is rounded when the prediction is bf16.
  at::Tensor const dt = at::full({}, schedule.sigmas[step + 1] - schedule.sigmas[step],
                                 at::TensorOptions().dtype(at::kFloat).device(prediction.device()));
  return (latents.to(at::kFloat) + dt * prediction).to(prediction.scalar_type());
}

}  // namespace ditbatch
