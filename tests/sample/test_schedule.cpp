// Noise levels against what diffusers 0.42.1 draws for Flux: 4 steps, sigmas passed as the pipeline
// does, mu 1.15 at 4096 image tokens.
#define BOOST_TEST_MODULE schedule
#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>
#include <vector>

#include "sample/flow_match_schedule.hpp"

using namespace ditbatch;

namespace {

FlowMatchConfig dev() {
  FlowMatchConfig config;
  config.shift = 3;  // not read with dynamic shifting
  config.use_dynamic_shifting = true;
  return config;
}

void require_sigmas(FlowMatchConfig const& config, std::int64_t steps, std::int64_t tokens,
                    std::vector<float> const& expected) {
  Schedule const schedule = make_flow_match_schedule(config, steps, tokens);
  BOOST_REQUIRE_EQUAL(schedule.sigmas.size(), expected.size());
  BOOST_REQUIRE_EQUAL(schedule.steps(), static_cast<std::size_t>(steps));
  for (std::size_t i = 0; i < expected.size(); ++i)
    BOOST_CHECK_SMALL(schedule.sigmas[i] - expected[i], 6e-7F);
  for (std::size_t i = 0; i < schedule.steps(); ++i)
    BOOST_CHECK_EQUAL(schedule.timesteps[i], schedule.sigmas[i] * 1000.0F);
}

constexpr std::int64_t most_tokens = 4096;

}  // namespace

BOOST_AUTO_TEST_CASE(levels_are_those_of_diffusers) {
  require_sigmas({}, 4, most_tokens, {1, .75F, .5F, .25F, 0});
  require_sigmas(dev(), 4, most_tokens, {1, .904531F, .759511F, .512844F, 0});
}

BOOST_AUTO_TEST_CASE(a_linear_shift_is_no_exponential_one) {
  FlowMatchConfig config = dev();
  config.time_shift = FlowMatchConfig::TimeShift::linear;
  require_sigmas(config, 4, most_tokens, {1, .775281F, .534884F, .277108F, 0});
  config.use_dynamic_shifting = false;
  config.shift = 1;
  require_sigmas(config, 4, most_tokens, {1, .75F, .5F, .25F, 0});
}

BOOST_AUTO_TEST_CASE(the_last_level_is_stretched_to_the_terminal_one) {
  FlowMatchConfig schnell;
  schnell.shift_terminal = 0.02;
  require_sigmas(schnell, 4, most_tokens, {1, .673333F, .346667F, .02F, 0});
  FlowMatchConfig stretched = dev();
  stretched.shift_terminal = 0.02;
  require_sigmas(stretched, 4, most_tokens, {1, .807947F, .516214F, .02F, 0});
}

BOOST_AUTO_TEST_CASE(one_step_goes_from_noise_to_the_image) {
  require_sigmas({}, 1, most_tokens, {1, 0});
  require_sigmas(dev(), 1, most_tokens, {1, 0});
}

// With the shift of 256 tokens, exp(0.5), at the other end of the line.
BOOST_AUTO_TEST_CASE(small_images_are_shifted_less) {
  require_sigmas(dev(), 4, 256, {1, .831824F, .622459F, .354661F, 0});
}

BOOST_AUTO_TEST_CASE(a_step_moves_the_latents_by_the_difference_of_levels) {
  Schedule const schedule = make_flow_match_schedule({}, 4, most_tokens);
  at::Tensor const latents = at::full({2}, 3.0);
  at::Tensor const prediction = at::full({2}, 2.0);
  at::Tensor const next =
      euler_step(latents.to(at::kFloat), prediction.to(at::kFloat), schedule, 0);
  BOOST_TEST(next[0].item<float>() == 2.5F);  // 3 + (.75 - 1) x 2
}
