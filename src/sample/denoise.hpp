#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "comm/mesh_comms.hpp"
#include "models/flux/flux_transformer.hpp"
#include "sample/flow_match_schedule.hpp"

namespace ditbatch {

/// One prompt's side of the guidance; on this rank or not.
struct DenoiseInputs {
  std::optional<FluxTransformer::Conditioning> conditional;
  std::optional<FluxTransformer::Conditioning> unconditional;
  double guidance_scale = 0;
  double true_cfg_scale = 1;
  bool uses_true_cfg = false;
};

/// All steps over this rank's own image tokens: (own tokens, in_channels) -> the same shape.
///
/// With cfg degree 2 each half runs one branch and the predictions are gathered; with degree 1 a
/// rank runs both, one after the other as two passes of batch 1 (a batch of 2 has other bits). The
/// combination is the same expression in the same order everywhere. A record without true CFG runs
/// on the first half, and nothing is called on the second.
[[nodiscard]] at::Tensor denoise(FluxTransformer const& transformer, at::Tensor const& own_latents,
                                 DenoiseInputs const& inputs, Schedule const& schedule,
                                 MeshComms const& comms);

}  // namespace ditbatch
