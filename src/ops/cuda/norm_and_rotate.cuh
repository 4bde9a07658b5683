#pragma once

#include "ops/cuda/row_kernels.hpp"
#include "ops/cuda/vector_access.cuh"

// RMS norm and rotary embedding of one token's heads. 16 lanes of 8 channels hold a head of 128
// channels, 8 lanes one of 64; a block takes all heads of a token, so that its angles are read
// once.
namespace ditbatch::ops::cuda {

constexpr int rotate_threads = 256;

template <int Lanes>
__device__ float sum_over_head(float x) {
  unsigned const group = static_cast<unsigned>(threadIdx.x) % 32 / Lanes;
  unsigned const mask = (0xffffffffU >> (32 - Lanes)) << (group * Lanes);
#pragma unroll
  for (int step = Lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(mask, x, step, Lanes);
  return x;
}

/// Of row `row` of image `image`: store(head, channel, eight values) for the first `count` heads of
/// the row, queries, keys and values, each of them beginning with head `first_head` of its kind;
/// values come as they are.
template <class T, int HeadSize, class Store>
__device__ void rotate_row(NormAndRotate const& call, std::int64_t image, std::int64_t row,
                           int count, int first_head, Store const& store) {
  constexpr float eps = 1e-6F;
  constexpr int heads_in_flight = 3;  // of a thread, on their way from memory at once
  constexpr int lanes = HeadSize / vector_width;
  constexpr int heads_at_once = rotate_threads / lanes;
  int const stream = row < call.text_rows ? 0 : 1;
  int const channel = static_cast<int>(threadIdx.x) % lanes * vector_width;
  int const first = static_cast<int>(threadIdx.x) / lanes;
  int const heads = static_cast<int>(call.heads);
  T const* const qkv = static_cast<T const*>(call.qkv.data) + image * call.qkv.image_stride +
                       row * call.qkv.row_stride + channel;
  auto const head_at = [&](int place) {
    int const kind_begin = place / heads * heads;
    int const turned = place - kind_begin + first_head;
    return kind_begin + (turned < heads ? turned : turned - heads);
  };
  for (int begin = first; begin < count; begin += heads_in_flight * heads_at_once) {
    Packed<T> packed[heads_in_flight];
#pragma unroll
    for (int i = 0; i < heads_in_flight; ++i) {
      int const place = begin + i * heads_at_once;
      if (place < count) packed[i] = load_packed(qkv + head_at(place) * HeadSize);
    }
    Vector const cos = load(call.cos + row * HeadSize + channel);
    Vector const sin = load(call.sin + row * HeadSize + channel);
#pragma unroll
    for (int i = 0; i < heads_in_flight; ++i) {
      if (begin + i * heads_at_once >= count) continue;
      int const head = head_at(begin + i * heads_at_once);
      Vector x = unpack(packed[i]);
      if (head < 2 * heads) {
        float squares = 0;
#pragma unroll
        for (int j = 0; j < vector_width; ++j) squares += x.at[j] * x.at[j];
        float const factor =
            rsqrtf(sum_over_head<lanes>(squares) / static_cast<float>(HeadSize) + eps);
        auto const* weights = static_cast<T const*>(head < heads ? call.query_weight[stream]
                                                                 : call.key_weight[stream]);
        Vector const weight = load(weights + channel);
#pragma unroll
        for (int j = 0; j < vector_width; j += 2) {
          float const a = x.at[j] * factor * weight.at[j];
          float const b = x.at[j + 1] * factor * weight.at[j + 1];
          x.at[j] = a * cos.at[j] - b * sin.at[j];  // a pair of channels has one angle
          x.at[j + 1] = b * cos.at[j] + a * sin.at[j];
        }
      }
      store(head, channel, x);
    }
  }
}

}  // namespace ditbatch::ops::cuda
