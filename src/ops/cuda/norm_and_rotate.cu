// RMS norm and rotary embedding of queries and keys, in place.
#include "ops/cuda/norm_and_rotate.cuh"

namespace ditbatch::ops::cuda {

namespace {

// As many blocks an SM as registers allow.
template <class T>
constexpr int blocks_per_sm = sizeof(T) == 2 ? 5 : 4;

template <class T, int HeadSize>
__global__ void __launch_bounds__(rotate_threads, blocks_per_sm<T>)
    norm_and_rotate_kernel(__grid_constant__ NormAndRotate const call) {
  std::int64_t const row = blockIdx.x;
  std::int64_t const image = blockIdx.y;
  T* const qkv =
      static_cast<T*>(call.qkv.data) + image * call.qkv.image_stride + row * call.qkv.row_stride;
  int const queries_and_keys = 2 * static_cast<int>(call.heads);
  rotate_row<T, HeadSize>(call, image, row, queries_and_keys, 0,
                          [&](int head, int channel, Vector const& x) {
                            ditbatch::ops::cuda::store(qkv + head * HeadSize + channel, x);
                          });
}

template <class T, int HeadSize>
void launch(NormAndRotate const& call, cudaStream_t stream) {
  dim3 const grid(static_cast<unsigned>(call.rows), static_cast<unsigned>(call.images));
  norm_and_rotate_kernel<T, HeadSize><<<grid, rotate_threads, 0, stream>>>(call);
}

}  // namespace

bool is_rotary_head_size(std::int64_t head_size) { return head_size == 64 || head_size == 128; }

void norm_and_rotate(NormAndRotate const& call, cudaStream_t stream) {
  if (call.rows == 0 || call.images == 0) return;
  with_element(call.element, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (call.head_size == 128) return launch<T, 128>(call, stream);
    launch<T, 64>(call, stream);
  });
}

}  // namespace ditbatch::ops::cuda
