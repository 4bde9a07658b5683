// RMS norm and rotary embedding of queries and keys, in place. A warp takes a head; a block takes
// all heads of a token, so that its angles are read once.
#include "ops/cuda/row_kernels.hpp"
#include "ops/cuda/vector_access.cuh"

namespace ditbatch::ops::cuda {

namespace {

constexpr int threads = 256;
constexpr float eps = 1e-6F;

// As many blocks an SM as registers allow.
template <class T>
constexpr int blocks_per_sm = sizeof(T) == 2 ? 5 : 4;

// Heads of a thread that are on their way from memory at once.
constexpr int heads_in_flight = 3;

// 16 lanes of 8 channels hold a head of 128 channels, 8 lanes one of 64.
template <int Lanes>
__device__ float sum_over_head(float x) {
  unsigned const group = static_cast<unsigned>(threadIdx.x) % 32 / Lanes;
  unsigned const mask = (0xffffffffU >> (32 - Lanes)) << (group * Lanes);
#pragma unroll
  for (int step = Lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(mask, x, step, Lanes);
  return x;
}

template <class T, int HeadSize>
__global__ void __launch_bounds__(threads, blocks_per_sm<T>)
    norm_and_rotate_kernel(NormAndRotate const call) {
  constexpr int lanes = HeadSize / vector_width;
  constexpr int heads_at_once = threads / lanes;
  std::int64_t const row = blockIdx.x;
  std::int64_t const image = blockIdx.y;
  int const stream = row < call.text_rows ? 0 : 1;
  int const channel = static_cast<int>(threadIdx.x) % lanes * vector_width;
  int const first = static_cast<int>(threadIdx.x) / lanes;
  int const heads = static_cast<int>(call.heads);
  T* const qkv = static_cast<T*>(call.qkv.data) + image * call.qkv.image_stride +
                 row * call.qkv.row_stride + channel;
  // Keys follow the queries.
  for (int begin = first; begin < 2 * heads; begin += heads_in_flight * heads_at_once) {
    Packed<T> packed[heads_in_flight];
#pragma unroll
    for (int i = 0; i < heads_in_flight; ++i) {
      int const head = begin + i * heads_at_once;
      if (head < 2 * heads) packed[i] = load_packed(qkv + head * HeadSize);
    }
    Vector const cos = load(call.cos + row * HeadSize + channel);
    Vector const sin = load(call.sin + row * HeadSize + channel);
#pragma unroll
    for (int i = 0; i < heads_in_flight; ++i) {
      int const head = begin + i * heads_at_once;
      if (head >= 2 * heads) continue;
      Vector x = unpack(packed[i]);
      float squares = 0;
#pragma unroll
      for (int j = 0; j < vector_width; ++j) squares += x.at[j] * x.at[j];
      float const factor =
          rsqrtf(sum_over_head<lanes>(squares) / static_cast<float>(HeadSize) + eps);
      auto const* weights =
          static_cast<T const*>(head < heads ? call.query_weight[stream] : call.key_weight[stream]);
      Vector const weight = load(weights + channel);
#pragma unroll
      for (int j = 0; j < vector_width; j += 2) {
        float const a = x.at[j] * factor * weight.at[j];
        float const b = x.at[j + 1] * factor * weight.at[j + 1];
        x.at[j] = a * cos.at[j] - b * sin.at[j];  // a pair of channels has one angle
        x.at[j + 1] = b * cos.at[j] + a * sin.at[j];
      }
      store(qkv + head * HeadSize, x);
    }
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
