// Rows of bytes from one strided buffer to another: 16 bytes a thread at a time.
#include "ops/cuda/row_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr int threads = 128;

__global__ void __launch_bounds__(threads) copy_rows_kernel(RowCopy const copy) {
  std::int64_t const row = blockIdx.x;
  std::int64_t const image = blockIdx.y;
  auto const* from =
      reinterpret_cast<int4 const*>(static_cast<char const*>(copy.from) +
                                    image * copy.from_image_stride + row * copy.from_row_stride);
  auto* to = reinterpret_cast<int4*>(static_cast<char*>(copy.to) + image * copy.to_image_stride +
                                     row * copy.to_row_stride);
  auto const count = static_cast<int>(copy.row_bytes / 16);
  for (int i = static_cast<int>(threadIdx.x); i < count; i += threads) to[i] = from[i];
}

}  // namespace

void copy_rows(RowCopy const& copy, cudaStream_t stream) {
  if (copy.rows == 0 || copy.images == 0 || copy.row_bytes == 0) return;
  dim3 const grid(static_cast<unsigned>(copy.rows), static_cast<unsigned>(copy.images));
  copy_rows_kernel<<<grid, threads, 0, stream>>>(copy);
}

}  // namespace ditbatch::ops::cuda
