#pragma once

#include <cstdint>

// Interfaces between ATen code and kernels: plain pointers, so that nvcc never reads LibTorch.
namespace ditbatch::ops::cuda {

enum class Element { float32, bfloat16, float16 };

/// Rows of several images in one buffer: image i, row r begins at data + i * image_stride + r *
/// row_stride elements.
template <class Pointer>
struct ImageRows {
  Pointer data = nullptr;
  std::int64_t image_stride = 0;
  std::int64_t row_stride = 0;
};

}  // namespace ditbatch::ops::cuda
