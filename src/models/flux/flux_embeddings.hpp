#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "mesh/token_layout.hpp"
#include "models/flux/flux_config.hpp"
#include "ops/ops.hpp"
#include "ops/token_ops.hpp"

namespace ditbatch::flux {

/// Two linear layers with SiLU between them.
struct Mlp {
  ops::Linear first;
  ops::Linear second;
  [[nodiscard]] at::Tensor operator()(at::Tensor const& x) const {
    return second(ops::silu(first(x)));
  }
};

/// The conditioning vectors of steps from timestep, guidance and pooled prompt.
struct TimeTextEmbedding {
  Mlp timestep;
  std::optional<Mlp> guidance;  // guidance_embeds
  Mlp text;

  /// time (T): 1000 x sigma, rounded as the pipeline rounds it; guidance_1000 (B): 1000 x
  /// guidance_scale; pooled (B, P) -> (T, B, width)
  [[nodiscard]] at::Tensor operator()(at::Tensor const& time, at::Tensor const& guidance_1000,
                                      at::Tensor const& pooled) const;
};
[[nodiscard]] TimeTextEmbedding take_time_text_embedding(WeightSource& source,
                                                         FluxConfig const& config);

/// Sinusoids of a value, cosines first: (N) -> (N, 256) in float32.
[[nodiscard]] at::Tensor sinusoidal_embedding(at::Tensor const& value);

/// Rotary tables of a rank's own tokens, text then image: (tokens, head_size) each, float32.
/// Text tokens stand at (0, 0, 0), image tokens at (0, row, column) of the packed latents.
[[nodiscard]] ops::RotaryTable make_rotary_table(FluxConfig const& config,
                                                 TokenLayout const& layout,
                                                 std::int64_t packed_width, c10::Device device);

}  // namespace ditbatch::flux
