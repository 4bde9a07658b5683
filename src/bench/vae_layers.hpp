#pragma once

#include <cstdint>
#include <vector>

#include "models/vae/vae_config.hpp"

namespace ditbatch {

/// A layer of the VAE decoder as far as its size and its exchanges go.
struct VaeLayer {
  enum class Kind { convolution_3x3, convolution_1x1, group_norm, pixel_attention };
  Kind kind = Kind::convolution_3x3;
  std::int64_t in = 0;     // channels
  std::int64_t out = 0;    // channels
  std::int64_t scale = 1;  // pixels here for each latent pixel, in each direction
};

/// The decoder's layers in their order, as VaeDecoder has them.
[[nodiscard]] std::vector<VaeLayer> decoder_layers(VaeConfig const& config);

}  // namespace ditbatch
