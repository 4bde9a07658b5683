#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>

#include "manifest/image_record.hpp"

namespace ditbatch {

/// What decides how many records a replica denoises together.
struct BatchRule {
  std::optional<int> fixed;  // none: by the number of tokens
  c10::DeviceType device = c10::kCPU;
  std::int64_t token_px = 16;  // side of an image token
  int ranks_per_branch = 1;    // over which the tokens of an image are spread
};

/// How many records like this one a replica denoises together, where there are as many. A small
/// image does not fill a GPU, and several share the reading of the weights; beyond some thousand
/// tokens a rank there is nothing to gain, and a batch costs memory and time until its first image.
[[nodiscard]] int batch_size_for(ImageRecord const& record, BatchRule const& rule);

}  // namespace ditbatch
