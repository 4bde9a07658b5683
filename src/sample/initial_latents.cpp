#include "sample/initial_latents.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace ditbatch {

at::Tensor draw_initial_latents(std::uint64_t seed, LatentShape const& shape,
                                c10::ScalarType dtype) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn({1, shape.channels, shape.height, shape.width}, generator,
                   at::TensorOptions().dtype(dtype));
}

}  // namespace ditbatch
