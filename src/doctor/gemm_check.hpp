#pragma once

#include <c10/core/Device.h>

#include <string>

namespace ditbatch {

struct GemmCheck {
  std::string sha256;  // of the product; equal on all sound devices of one kind
  double tflops = 0;
  int repetitions = 0;
  int differing = 0;  // products that are not the first one
};

/// Multiplies the same two matrices again and again for `seconds` and compares the products: bf16
/// on a GPU, float32 on a CPU.
[[nodiscard]] GemmCheck check_gemm(c10::Device device, double seconds);

}  // namespace ditbatch
