#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "sample/flow_match_schedule.hpp"
#include "sample/transformer_runner.hpp"

namespace ditbatch {

/// One branch of the guidance for a batch of images.
struct BranchInputs {
  at::Tensor text;        // (B, own text tokens, width), projected
  at::Tensor modulation;  // (steps, B, all vectors)
};

/// Both branches; on this rank or not.
struct DenoiseInputs {
  std::optional<BranchInputs> conditional;
  std::optional<BranchInputs> unconditional;
  std::vector<double> true_cfg_scales;  // by image; empty: no true CFG
  TokenLayout layout;
  std::int64_t packed_width = 0;

  [[nodiscard]] bool uses_true_cfg() const { return !true_cfg_scales.empty(); }
};

/// The timesteps of a schedule as the pipeline hands them to the model: rounded to the latents'
/// dtype before the division by 1000. (steps) in `dtype`.
[[nodiscard]] at::Tensor model_timesteps(Schedule const& schedule, c10::ScalarType dtype,
                                         c10::Device device);

/// All steps over this rank's own image tokens: (B, own tokens, in_channels) -> the same shape. On
/// GPUs it returns when the work is enqueued.
///
/// With cfg degree 2 each half runs one branch and the predictions are gathered; with degree 1 a
/// rank runs both, one after the other. The combination is the same expression in the same order
/// everywhere. Images without true CFG run on the first half, and nothing is called on the second.
[[nodiscard]] at::Tensor denoise(TransformerRunner& transformer, at::Tensor const& own_latents,
                                 DenoiseInputs const& inputs, Schedule const& schedule,
                                 MeshComms const& comms);

}  // namespace ditbatch
