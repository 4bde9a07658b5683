#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

namespace ditbatch {

/// Spatial size of a latent map.
struct LatentShape {
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The noise that PyTorch's CPU generator draws for a seed, (1, C, H, W) in `dtype`: what diffusers
/// starts from with a CPU generator. Each dtype has a stream of its own; none is a rounding of
/// another.
[[nodiscard]] at::Tensor draw_initial_latents(std::uint64_t seed, LatentShape const& shape,
                                              c10::ScalarType dtype);

}  // namespace ditbatch
