#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>

#include "config/run_config.hpp"

namespace ditbatch {

[[nodiscard]] inline c10::ScalarType scalar_type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::bf16:
      return c10::kBFloat16;
    case Dtype::fp16:
      return c10::kHalf;
    case Dtype::fp32:
      return c10::kFloat;
  }
  return c10::kFloat;
}

[[nodiscard]] inline std::int64_t bytes_of(Dtype dtype) { return dtype == Dtype::fp32 ? 4 : 2; }

}  // namespace ditbatch
