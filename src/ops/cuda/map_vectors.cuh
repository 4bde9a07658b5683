#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstring>

#include "ops/cuda/map_kernels.hpp"

// How the map kernels share work and touch memory: a thread keeps one column of neighbouring
// channels, 16 bytes where the channels allow it, and walks over pixels.
namespace ditbatch::ops::cuda {

constexpr int block_threads = 256;
constexpr int pixels_per_thread = 16;

template <class T>
constexpr int wide = 16 / static_cast<int>(sizeof(T));

/// Neighbouring elements as they lie in memory: 16-bit ones stay two to a register until they are
/// used.
template <class T, int N>
struct alignas(16) ChannelVector {
  static_assert(N == wide<T>, "a vector is 16 bytes or one element");
  unsigned word[4];
};
template <class T>
struct ChannelVector<T, 1> {
  T value;
};

template <class T, int N>
__device__ ChannelVector<T, N> load(T const* from) {
  return *reinterpret_cast<ChannelVector<T, N> const*>(from);
}

template <class T, int N>
__device__ void store(T* to, ChannelVector<T, N> const& values) {
  *reinterpret_cast<ChannelVector<T, N>*>(to) = values;
}

inline __device__ float to_float(float x) { return x; }
inline __device__ float to_float(__half x) { return __half2float(x); }
inline __device__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

inline __device__ void from_float(float x, float& to) { to = x; }
inline __device__ void from_float(float x, __half& to) { to = __float2half_rn(x); }
inline __device__ void from_float(float x, __nv_bfloat16& to) { to = __float2bfloat16_rn(x); }

template <class T, int N>
__device__ void unpack(ChannelVector<T, N> const& from, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = to_float(from.value);
  } else if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = __uint_as_float(from.word[i]);
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      T pair[2];
      memcpy(pair, &from.word[i / 2], sizeof pair);
      to[i] = to_float(pair[0]);
      to[i + 1] = to_float(pair[1]);
    }
  }
}

template <class T, int N>
__device__ ChannelVector<T, N> pack(float const (&from)[N]) {
  ChannelVector<T, N> to;
  if constexpr (N == 1) {
    from_float(from[0], to.value);
  } else if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < N; ++i) to.word[i] = __float_as_uint(from[i]);
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      T pair[2];
      from_float(from[i], pair[0]);
      from_float(from[i + 1], pair[1]);
      memcpy(&to.word[i / 2], pair, sizeof pair);
    }
  }
  return to;
}

/// How a block of threads lies over a pixel's channels: `lanes` pixels at a time, `columns` threads
/// each. Maps with more columns than threads take several blocks (grid z).
struct BlockLayout {
  int columns;
  int lanes;
};

inline __host__ __device__ BlockLayout layout_of(std::int64_t channels, int vector, int piece) {
  auto const left = static_cast<int>(channels / vector) - piece * block_threads;
  int const columns = left < block_threads ? left : block_threads;
  return {columns, block_threads / columns};
}

/// Pixels that one block walks over.
inline __host__ __device__ std::int64_t chunk_pixels(std::int64_t channels, int vector) {
  return static_cast<std::int64_t>(layout_of(channels, vector, 0).lanes) * pixels_per_thread;
}

inline __host__ __device__ std::int64_t divided_up(std::int64_t count, std::int64_t by) {
  return (count + by - 1) / by;
}

inline int pieces_of(std::int64_t channels, int vector) {
  return static_cast<int>(divided_up(channels / vector, block_threads));
}

inline int vector_of(MapShape const& shape) {
  int const most = shape.element == Element::float32 ? 4 : 8;
  return shape.channels % most == 0 ? most : 1;
}

template <class T, int N>
struct Access {
  using Type = T;
  static constexpr int vector = N;
};

/// Calls launch(Access<T, N>) for the map's element type, and 16 bytes or one element at a time.
template <class Launch>
void for_access(MapShape const& shape, Launch const& launch) {
  bool const one_by_one = vector_of(shape) == 1;
  switch (shape.element) {
    case Element::float32:
      return one_by_one ? launch(Access<float, 1>{}) : launch(Access<float, wide<float>>{});
    case Element::float16:
      return one_by_one ? launch(Access<__half, 1>{}) : launch(Access<__half, wide<__half>>{});
    case Element::bfloat16:
      return one_by_one ? launch(Access<__nv_bfloat16, 1>{})
                        : launch(Access<__nv_bfloat16, wide<__nv_bfloat16>>{});
  }
}

}  // namespace ditbatch::ops::cuda
