#pragma once

#include <cstdint>
#include <optional>

#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// Where records are made, as far as it decides how many a replica makes together.
struct BatchRule {
  std::optional<int> fixed;  // none: by the number of tokens
  bool on_gpus = false;
  MeshShape mesh;
};

/// How many images of so many tokens a replica denoises together, where there are as many. A small
/// image does not fill a GPU, and several share the reading of the weights; beyond some thousand
/// tokens a rank there is nothing to gain, and a batch costs memory and time until its first image.
[[nodiscard]] int batch_size_for(std::int64_t tokens, BatchRule const& rule);

}  // namespace ditbatch
