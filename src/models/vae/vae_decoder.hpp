#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/vae/vae_blocks.hpp"

namespace ditbatch {

/// What the decoder leaves on a GPU, before anything waits for it.
struct DeviceImage {
  at::Tensor pixels;  // (H, W, 3) uint8 on the first rank's device; undefined elsewhere
  at::Tensor finite;  // () float32 on every rank's device: 1, or 0 where a NaN or infinity came out
};

struct DecodedImage {
  at::Tensor pixels;   // (H, W, 3) uint8 on the CPU, on the first rank; undefined elsewhere
  bool finite = true;  // no NaN or infinity came out of the decoder; the same on every rank
};

/// Waits for the image.
[[nodiscard]] DecodedImage to_host(DeviceImage const& image);

/// The decoder of AutoencoderKL, its maps cut into row tiles over the ranks of a replica. It
/// decodes in the dtype of its weights; float16 with `force_upcast` in float32, with the weights
/// rounded to float16.
class VaeDecoder {
 public:
  VaeDecoder(VaeConfig const& config, WeightSource& source);

  /// Latents (1, C, h, w) as the sampler leaves them, in full on every rank. Collective over
  /// `comm`. On a GPU nothing waits for the device, so that it can be captured into a graph.
  [[nodiscard]] DeviceImage decode_on_device(at::Tensor const& latents, TensorComm& comm) const;

  /// The same, and the image on the CPU.
  [[nodiscard]] DecodedImage decode(at::Tensor const& latents, TensorComm& comm) const;

 private:
  struct UpBlock {
    std::vector<vae::ResnetBlock> resnets;
    std::optional<vae::Convolution> upsampler;  // none on the finest level
  };
  class Weights;
  VaeDecoder(VaeConfig const& config, Weights&& weights);

  VaeConfig config_;
  std::optional<vae::PixelLinear> post_quant_;
  vae::Convolution conv_in_;
  vae::ResnetBlock mid_1_;
  std::optional<vae::PixelAttention> mid_attention_;
  vae::ResnetBlock mid_2_;
  std::vector<UpBlock> up_blocks_;  // from the coarsest to the finest level
  vae::GroupNorm norm_out_;
  vae::Convolution conv_out_;
};

}  // namespace ditbatch
