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

/// The convolutions and the attention of the decoder for one image, over all ranks.
[[nodiscard]] double decoder_flop(VaeConfig const& config, std::int64_t width_px,
                                  std::int64_t height_px);

struct DecodedSize {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  std::int64_t element_bytes = 2;  // of the dtype that the decoder runs in
};
/// Bytes that come to a rank of the replica from the others while an image is decoded. The same
/// sums as the decoder exchanges; a test compares them with what a run counts.
[[nodiscard]] std::uint64_t decoder_bytes(VaeConfig const& config, DecodedSize const& image,
                                          int ranks, int rank);

}  // namespace ditbatch
