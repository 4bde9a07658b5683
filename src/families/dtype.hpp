#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>

#include "config/run_config.hpp"
#include "core/error.hpp"

namespace ditbatch {

/// What "auto" stands for where no image of the run folder says otherwise: CPUs take six times as
/// long for bfloat16 as for float32.
[[nodiscard]] inline Dtype usual_dtype(bool on_gpus) { return on_gpus ? Dtype::bf16 : Dtype::fp32; }

[[nodiscard]] inline c10::ScalarType scalar_type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::automatic:
      break;
    case Dtype::bf16:
      return c10::kBFloat16;
    case Dtype::fp16:
      return c10::kHalf;
    case Dtype::fp32:
      return c10::kFloat;
  }
  throw Error(ExitCode::internal, "a dtype is decided before it is used");
}

[[nodiscard]] inline std::int64_t bytes_of(Dtype dtype) { return dtype == Dtype::fp32 ? 4 : 2; }

}  // namespace ditbatch
