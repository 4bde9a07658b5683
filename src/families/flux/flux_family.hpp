#pragma once

#include <array>

#include "families/family.hpp"

namespace ditbatch::flux {

/// The folders of a FluxPipeline.
inline constexpr std::array components{"scheduler", "text_encoder", "text_encoder_2",
                                       "tokenizer", "tokenizer_2",  "transformer",
                                       "vae"};

/// What a record gets that neither it nor [sampling] says, as in diffusers' FluxPipeline.
[[nodiscard]] Sampling default_sampling();

/// Reads and proves the configs of an opened FLUX.1 checkpoint that has all components.
void fill_plan(ModelConfig const& model, ModelPlan& plan, Problems& problems);

}  // namespace ditbatch::flux
