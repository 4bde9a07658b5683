// RMS norm and rotary embedding of queries and keys, in place. A warp takes a head; a block takes
// all heads of a token, so that its angles are read once.
#include "ops/cuda/row_kernels.hpp"
#include "ops/cuda/vector_access.cuh"

namespace ditbatch::ops::cuda {

namespace {

constexpr int threads = 256;
constexpr float eps = 1e-6F;

// A half-warp (16 lanes of 8 channels) holds a head of 128 channels, 8 lanes one of 64.
template <class T, int HeadSize>
__global__ void __launch_bounds__(threads) norm_and_rotate_kernel(NormAndRotate const call) {
  constexpr int lanes = HeadSize / vector_width;
  constexpr int heads_at_once = threads / lanes;
  std::int64_t const row = blockIdx.x;
  std::int64_t const image = blockIdx.y;
  int const stream = row < call.text_rows ? 0 : 1;
  int const lane = static_cast<int>(threadIdx.x) % lanes;
  int const channel = lane * vector_width;
  T* const qkv =
      static_cast<T*>(call.qkv.data) + image * call.qkv.image_stride + row * call.qkv.row_stride;
  Vector const cos = load(call.cos + row * HeadSize + channel);
  Vector const sin = load(call.sin + row * HeadSize + channel);
  Vector const query_weight = load(static_cast<T const*>(call.query_weight[stream]) + channel);
  Vector const key_weight = load(static_cast<T const*>(call.key_weight[stream]) + channel);

  int const heads = static_cast<int>(call.heads);
  for (int head = static_cast<int>(threadIdx.x) / lanes; head < 2 * heads; head += heads_at_once) {
    T* const at = qkv + head * HeadSize + channel;  // keys follow the queries
    Vector x = load(at);
    float squares = 0;
#pragma unroll
    for (int j = 0; j < vector_width; ++j) squares += x.at[j] * x.at[j];
#pragma unroll
    for (int step = lanes / 2; step > 0; step /= 2)
      squares += __shfl_xor_sync(__activemask(), squares, step, lanes);
    float const factor = rsqrtf(squares / static_cast<float>(HeadSize) + eps);
    Vector const& weight = head < heads ? query_weight : key_weight;
#pragma unroll
    for (int j = 0; j < vector_width; ++j) x.at[j] = x.at[j] * factor * weight.at[j];
#pragma unroll
    for (int j = 0; j < vector_width; j += 2) {
      float const a = x.at[j];
      float const b = x.at[j + 1];
      x.at[j] = a * cos.at[j] - b * sin.at[j];
      x.at[j + 1] = b * cos.at[j + 1] + a * sin.at[j + 1];
    }
    store(at, x);
  }
}

template <class T, int HeadSize>
void launch(NormAndRotate const& call, cudaStream_t stream) {
  dim3 const grid(static_cast<unsigned>(call.rows), static_cast<unsigned>(call.images));
  norm_and_rotate_kernel<T, HeadSize><<<grid, threads, 0, stream>>>(call);
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
