#include "ops/cuda/map_vectors.cuh"

namespace ditbatch::ops::cuda {

namespace {

constexpr int vectors_per_thread = 4;

// One block: a piece of one row of the result. Each pixel is read four times, from the caches all
// but once.
template <class T, int N>
__global__ void __launch_bounds__(block_threads)
    upsample_row(T const* __restrict__ x, MapShape const shape, T* __restrict__ padded) {
  auto const columns = static_cast<int>(shape.channels) / N;
  int const row_vectors = static_cast<int>(shape.width) * 2 * columns;
  std::int64_t const row = blockIdx.y;
  bool const inside = row > 0 && row <= shape.rows * 2;
  T const* const from = x + (row - 1) / 2 * shape.width * shape.channels;
  T* const to = padded + row * shape.width * 2 * shape.channels;
  int const begin = static_cast<int>(blockIdx.x) * block_threads * vectors_per_thread;
  ChannelVector<T, N> values[vectors_per_thread] = {};
#pragma unroll
  for (int u = 0; u < vectors_per_thread; ++u) {
    int const place = begin + u * block_threads + static_cast<int>(threadIdx.x);
    if (inside && place < row_vectors) {
      int const pixel = place / columns;
      int const source = pixel / 2 * columns + place % columns;
      values[u] = load<T, N>(from + static_cast<std::int64_t>(source) * N);
    }
  }
#pragma unroll
  for (int u = 0; u < vectors_per_thread; ++u) {
    int const place = begin + u * block_threads + static_cast<int>(threadIdx.x);
    if (place < row_vectors) store<T, N>(to + static_cast<std::int64_t>(place) * N, values[u]);
  }
}

}  // namespace

void upsample(MapShape const& shape, void const* x, void* padded, cudaStream_t stream) {
  for_access(shape, [&](auto access) {
    using T = typename decltype(access)::Type;
    constexpr int vector = decltype(access)::vector;
    std::int64_t const row_vectors = shape.width * 2 * shape.channels / vector;
    dim3 const grid(
        static_cast<unsigned>(divided_up(row_vectors, block_threads * vectors_per_thread)),
        static_cast<unsigned>(shape.rows * 2 + 2));
    upsample_row<T, vector><<<grid, block_threads, 0, stream>>>(static_cast<T const*>(x), shape,
                                                                static_cast<T*>(padded));
  });
}

}  // namespace ditbatch::ops::cuda
