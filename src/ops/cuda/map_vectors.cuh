#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "ops/cuda/map_kernels.hpp"

// How the map kernels share work and touch memory: a thread keeps one column of neighbouring
// channels, 16 bytes where the channels allow it, and walks over pixels.
namespace ditbatch::ops::cuda {

constexpr int block_threads = 256;
constexpr int pixels_per_thread = 16;

template <class T>
constexpr int wide = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T at[N];
};

template <class T, int N>
__device__ Vector<T, N> load(T const* from) {
  return *reinterpret_cast<Vector<T, N> const*>(from);
}

template <class T, int N>
__device__ void store(T* to, Vector<T, N> const& values) {
  *reinterpret_cast<Vector<T, N>*>(to) = values;
}

inline __device__ float to_float(float x) { return x; }
inline __device__ float to_float(__half x) { return __half2float(x); }
inline __device__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T>
__device__ T from_float(float x);
template <>
inline __device__ float from_float<float>(float x) {
  return x;
}
template <>
inline __device__ __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
inline __device__ __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
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
