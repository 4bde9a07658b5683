#pragma once

#include <ATen/core/Tensor.h>

#include "core/error.hpp"
#include "ops/cuda/element.hpp"

namespace ditbatch::ops::cuda {

/// What the kernels know a tensor's elements as.
[[nodiscard]] inline Element element_of(at::Tensor const& x) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return Element::float32;
    case at::kHalf:
      return Element::float16;
    default:
      ensure(x.scalar_type() == at::kBFloat16, "kernels take float32, float16 and bfloat16");
      return Element::bfloat16;
  }
}

}  // namespace ditbatch::ops::cuda
