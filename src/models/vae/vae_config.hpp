#pragma once

#include <cstdint>
#include <vector>

#include "weights/json_config.hpp"

namespace ditbatch {

/// The decoder half of diffusers' AutoencoderKL.
struct VaeConfig {
  std::int64_t latent_channels = 4;
  std::int64_t out_channels = 3;
  std::vector<std::int64_t> block_channels{64};  // from the finest to the coarsest level
  std::int64_t layers_per_block = 1;
  std::int64_t norm_groups = 32;
  bool mid_block_attention = true;
  bool post_quant_conv = true;
  bool force_upcast = true;  // in float16: decode in float32
  double scaling_factor = 0.18215;
  double shift_factor = 0;

  /// Pixels per latent pixel in each direction.
  [[nodiscard]] std::int64_t scale_factor() const {
    return std::int64_t{1} << (block_channels.size() - 1);
  }
};

/// Reads vae/config.json; absent keys have the defaults of the class.
[[nodiscard]] VaeConfig read_vae_config(JsonConfig const& config, Problems& problems);

}  // namespace ditbatch
