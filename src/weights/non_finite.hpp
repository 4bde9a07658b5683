#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace ditbatch {

/// Whether a contiguous tensor on the host holds NaN or infinity: at the speed of the memory. False
/// for numbers that are no floating-point ones.
[[nodiscard]] bool has_non_finite(at::Tensor const& tensor);

/// "3 of 1024 values are NaN or infinity, the first at [0, 17]"; of a tensor that has one, on any
/// device.
[[nodiscard]] std::string non_finite_text(at::Tensor const& tensor);

}  // namespace ditbatch
