#pragma once

#include <cstdint>
#include <vector>

#include "weights/json_config.hpp"

namespace ditbatch {

/// diffusers' FluxTransformer2DModel.
struct FluxConfig {
  std::int64_t in_channels = 64;  // of a packed token: 4 x latent channels
  std::int64_t double_blocks = 19;
  std::int64_t single_blocks = 38;
  std::int64_t heads = 24;
  std::int64_t head_size = 128;
  std::int64_t joint_attention_dim = 4096;   // of the T5 embeddings
  std::int64_t pooled_projection_dim = 768;  // of the CLIP embedding
  bool guidance_embeds = false;              // dev: true, schnell: false
  std::vector<std::int64_t> rope_axes{16, 56, 56};

  [[nodiscard]] std::int64_t width() const { return heads * head_size; }
};

/// Reads transformer/config.json; absent keys have the defaults of the class.
[[nodiscard]] FluxConfig read_flux_config(JsonConfig const& config, Problems& problems);

}  // namespace ditbatch
