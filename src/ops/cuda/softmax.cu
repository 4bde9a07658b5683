// softmax(scale * x) of long rows in place: one block a row, read twice (the second time from L2).
#include "ops/cuda/row_kernels.hpp"
#include "ops/cuda/vector_access.cuh"

namespace ditbatch::ops::cuda {

namespace {

constexpr int threads = 512;
constexpr int warps = threads / 32;

// The largest value so far, and the sum of exp(value - largest).
struct Partial {
  float largest;
  float sum;
};

__device__ Partial merge(Partial a, Partial b) {
  float const largest = fmaxf(a.largest, b.largest);
  if (largest == -INFINITY) return {largest, 0.0F};
  return {largest, a.sum * __expf(a.largest - largest) + b.sum * __expf(b.largest - largest)};
}

template <class T>
__global__ void __launch_bounds__(threads) softmax_kernel(T* x, std::int64_t columns, float scale) {
  __shared__ Partial of_warps[warps];
  T* const row = x + static_cast<std::int64_t>(blockIdx.x) * columns;
  std::int64_t const begin = std::int64_t{threadIdx.x} * vector_width;
  constexpr std::int64_t stride = std::int64_t{threads} * vector_width;

  Partial own{-INFINITY, 0.0F};
  for (std::int64_t i = begin; i < columns; i += stride) {
    Vector const v = load(row + i);
    float largest = own.largest;
#pragma unroll
    for (int j = 0; j < vector_width; ++j) largest = fmaxf(largest, scale * v.at[j]);
    float sum = own.sum * __expf(own.largest - largest);
#pragma unroll
    for (int j = 0; j < vector_width; ++j) sum += __expf(scale * v.at[j] - largest);
    own = {largest, sum};
  }
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    own = merge(own, {__shfl_xor_sync(0xffffffffU, own.largest, lane),
                      __shfl_xor_sync(0xffffffffU, own.sum, lane)});
  }
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = own;
  __syncthreads();
  Partial all = of_warps[0];
#pragma unroll
  for (int warp = 1; warp < warps; ++warp) all = merge(all, of_warps[warp]);

  float const factor = 1.0F / all.sum;
  for (std::int64_t i = begin; i < columns; i += stride) {
    Vector v = load(row + i);
#pragma unroll
    for (int j = 0; j < vector_width; ++j) v.at[j] = __expf(scale * v.at[j] - all.largest) * factor;
    store(row + i, v);
  }
}

}  // namespace

void scaled_softmax(Element element, void* x, std::int64_t rows, std::int64_t columns, float scale,
                    cudaStream_t stream) {
  if (rows == 0 || columns == 0) return;
  with_element(element, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    softmax_kernel<<<static_cast<unsigned>(rows), threads, 0, stream>>>(static_cast<T*>(x), columns,
                                                                        scale);
  });
}

}  // namespace ditbatch::ops::cuda
