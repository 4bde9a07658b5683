#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "ops/cuda/element.hpp"

namespace ditbatch::ops::cuda {

/// One (B, W) vector of the batch: image i's begins at data + i * image_stride.
struct BatchVector {
  void const* data = nullptr;
  std::int64_t image_stride = 0;
};

/// What add_gated_then_norm() hands to its kernel; without `delta` nothing is added.
struct ResidualNorm {
  Element element = Element::bfloat16;
  std::int64_t images = 0, rows = 0, text_rows = 0, width = 0;  // rows of each image
  ImageRows<void*> tokens;
  ImageRows<void const*> delta;  // data null: tokens are normed as they are
  ImageRows<void*> normed;
  BatchVector gate[2], shift[2], scale[2];  // of text rows, of image rows
};
/// Widths that residual_norm() can take.
[[nodiscard]] bool is_residual_norm_width(std::int64_t width);
void residual_norm(ResidualNorm const& call, cudaStream_t stream);

/// What norm_and_rotate() hands to its kernel.
struct NormAndRotate {
  Element element = Element::bfloat16;
  std::int64_t images = 0, rows = 0, text_rows = 0, heads = 0, head_size = 0;
  ImageRows<void*> qkv;                         // a row: q heads, k heads, v heads
  void const *query_weight[2], *key_weight[2];  // (D) of text rows, of image rows
  float const *cos = nullptr, *sin = nullptr;   // (rows, D)
};
[[nodiscard]] bool is_rotary_head_size(std::int64_t head_size);
void norm_and_rotate(NormAndRotate const& call, cudaStream_t stream);

/// softmax(scale * x) over the last dimension of x (rows, columns), in place; columns is a multiple
/// of 8.
void scaled_softmax(Element element, void* x, std::int64_t rows, std::int64_t columns, float scale,
                    cudaStream_t stream);

/// Copies rows of bytes: from and to are (rows of each image) with strides in bytes, all multiples
/// of 16.
struct RowCopy {
  void const* from = nullptr;
  void* to = nullptr;
  std::int64_t images = 0, rows = 0, row_bytes = 0;
  std::int64_t from_image_stride = 0, from_row_stride = 0, to_image_stride = 0, to_row_stride = 0;
};
void copy_rows(RowCopy const& copy, cudaStream_t stream);

}  // namespace ditbatch::ops::cuda
