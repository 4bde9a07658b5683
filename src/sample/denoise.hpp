#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "sample/flow_match_schedule.hpp"

namespace ditbatch {

/// A model's prediction for this rank's own tokens of a batch, (B, own tokens, channels) -> the
/// same shape, at a step of the schedule, for CFG branch 0 (conditional) or 1. A collective of the
/// branch.
using Predict =
    std::function<at::Tensor(at::Tensor const& own_latents, std::size_t step, int branch)>;

/// The timesteps of a schedule as the pipeline hands them to the model: rounded to the latents'
/// dtype before the division by 1000. (steps) in `dtype`.
[[nodiscard]] at::Tensor model_timesteps(Schedule const& schedule, c10::ScalarType dtype,
                                         c10::Device device);

/// All steps over this rank's own tokens: (B, own tokens, channels) -> the same shape. `cfg_scales`
/// has the scale of each image, or none where no image is guided. On GPUs it returns when the work
/// is enqueued.
///
/// With cfg degree 2 each half runs one branch and the predictions are gathered; with degree 1 a
/// rank runs both, one after the other. The combination is the same expression in the same order
/// everywhere. Images without guidance run on the first half, and nothing is called on the second.
[[nodiscard]] at::Tensor denoise(at::Tensor const& own_latents,
                                 std::vector<double> const& cfg_scales, Schedule const& schedule,
                                 MeshComms const& comms, Predict const& predict);

}  // namespace ditbatch
