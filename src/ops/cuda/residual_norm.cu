// x += gate * delta; layer_norm(x) * (1 + scale) + shift: one block a row, the row in registers.
#include "ops/cuda/row_kernels.hpp"
#include "ops/cuda/vector_access.cuh"

namespace ditbatch::ops::cuda {

namespace {

constexpr int threads = 128;
constexpr int warps = threads / 32;
constexpr int most_vectors = 8;  // a thread's share of a row
constexpr float eps = 1e-6F;

// The same sum in the same order for every row; every thread has it.
__device__ float sum_over_block(float x, float* of_warps) {
  x = sum_over_warp(x);
  __syncthreads();  // the previous sum has been read
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = x;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int warp = 0; warp < warps; ++warp) sum += of_warps[warp];
  return sum;
}

template <class T>
__device__ T const* vector_of(BatchVector const* both, int stream, std::int64_t image) {
  return static_cast<T const*>(both[stream].data) + image * both[stream].image_stride;
}

template <class T, class Pointer>
__device__ T* row_of(ImageRows<Pointer> const& rows, std::int64_t image, std::int64_t row) {
  return static_cast<T*>(const_cast<void*>(static_cast<void const*>(rows.data))) +
         image * rows.image_stride + row * rows.row_stride;
}

template <class T, int Vectors>
__global__ void __launch_bounds__(threads) residual_norm_kernel(ResidualNorm const call) {
  __shared__ float of_warps[warps];
  std::int64_t const row = blockIdx.x;
  std::int64_t const image = blockIdx.y;
  int const stream = row < call.text_rows ? 0 : 1;
  int const width = static_cast<int>(call.width);
  T* const tokens = row_of<T>(call.tokens, image, row);
  T* const normed = row_of<T>(call.normed, image, row);
  auto const place = [](int i) {
    return (i * threads + static_cast<int>(threadIdx.x)) * vector_width;
  };

  Vector x[Vectors];
  float sum = 0;
#pragma unroll
  for (int i = 0; i < Vectors; ++i) {
    if (place(i) >= width) continue;
    x[i] = load(tokens + place(i));
    if (call.delta.data != nullptr) {
      Vector const delta = load(row_of<T>(call.delta, image, row) + place(i));
      Vector const gate = load(vector_of<T>(call.gate, stream, image) + place(i));
#pragma unroll
      for (int j = 0; j < vector_width; ++j)
        x[i].at[j] = rounded(x[i].at[j] + gate.at[j] * delta.at[j], tokens);
      store(tokens + place(i), x[i]);
    }
#pragma unroll
    for (int j = 0; j < vector_width; ++j) sum += x[i].at[j];
  }
  float const mean = sum_over_block(sum, of_warps) / static_cast<float>(width);

  float squares = 0;
#pragma unroll
  for (int i = 0; i < Vectors; ++i) {
    if (place(i) >= width) continue;
#pragma unroll
    for (int j = 0; j < vector_width; ++j) {
      x[i].at[j] -= mean;
      squares += x[i].at[j] * x[i].at[j];
    }
  }
  float const factor = rsqrtf(sum_over_block(squares, of_warps) / static_cast<float>(width) + eps);

#pragma unroll
  for (int i = 0; i < Vectors; ++i) {
    if (place(i) >= width) continue;
    Vector const shift = load(vector_of<T>(call.shift, stream, image) + place(i));
    Vector const scale = load(vector_of<T>(call.scale, stream, image) + place(i));
#pragma unroll
    for (int j = 0; j < vector_width; ++j)
      x[i].at[j] = x[i].at[j] * factor * (1.0F + scale.at[j]) + shift.at[j];
    store(normed + place(i), x[i]);
  }
}

template <class T, int Vectors>
void launch(ResidualNorm const& call, cudaStream_t stream) {
  dim3 const grid(static_cast<unsigned>(call.rows), static_cast<unsigned>(call.images));
  residual_norm_kernel<T, Vectors><<<grid, threads, 0, stream>>>(call);
}

}  // namespace

bool is_residual_norm_width(std::int64_t width) {
  return width % vector_width == 0 && width <= std::int64_t{threads} * vector_width * most_vectors;
}

void residual_norm(ResidualNorm const& call, cudaStream_t stream) {
  if (call.rows == 0 || call.images == 0) return;
  std::int64_t const of_block = std::int64_t{threads} * vector_width;
  std::int64_t const vectors = (call.width + of_block - 1) / of_block;
  with_element(call.element, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (vectors == 1) return launch<T, 1>(call, stream);
    if (vectors == 2) return launch<T, 2>(call, stream);
    if (vectors == 3) return launch<T, 3>(call, stream);
    if (vectors == 4) return launch<T, 4>(call, stream);
    launch<T, most_vectors>(call, stream);
  });
}

}  // namespace ditbatch::ops::cuda
