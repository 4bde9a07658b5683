// RMS norm and rotary embedding of queries and keys, written to the ranks that attend with them.
#include <algorithm>

#include "comm/peer_signals.cuh"
#include "ops/cuda/norm_and_rotate.cuh"
#include "ops/cuda/peer_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

// Few enough to stay until the last row: fewer blocks wait for their writes to arrive.
constexpr unsigned blocks_per_sm = 3;

unsigned multiprocessors() {
  int device = 0;
  int count = 1;
  (void)cudaGetDevice(&device);
  (void)cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return static_cast<unsigned>(count);
}

template <class T, int HeadSize>
__global__ void __launch_bounds__(rotate_threads)
    share_heads_kernel(__grid_constant__ NormAndRotate const call,
                       __grid_constant__ HeadPlaces const places,
                       __grid_constant__ PeerSignals const signals) {
  leave_mark(signals.mark);
  int const heads = static_cast<int>(call.heads);
  int const heads_each = heads / places.query_groups;
  std::int64_t const image = blockIdx.y;
  for (std::int64_t row = blockIdx.x; row < call.rows; row += gridDim.x) {
    int const stream = row < call.text_rows ? 0 : 1;
    std::int64_t const own_row = row - stream * call.text_rows;
    std::int64_t const query_row = image * places.query_rows + places.query_row[stream] + own_row;
    std::int64_t const key_row = image * places.key_rows + places.key_row[stream] + own_row;
    rotate_row<T, HeadSize>(
        call, image, row, 3 * heads, places.first_group * heads_each,
        [&](int head, int channel, Vector const& x) {
          int const kind = head / heads;  // query, key, value
          int const group = head % heads / heads_each;
          int const in_group = head % heads % heads_each;
          if (kind == 0) {
            T* const to = static_cast<T*>(places.query[group]);
            store(to + (query_row * heads_each + in_group) * HeadSize + channel, x);
            return;
          }
          for (int copy = 0; copy < places.key_copies; ++copy) {
            T* const to = static_cast<T*>(places.key_value[copy * places.query_groups + group]);
            store(to + ((2 * key_row + kind - 1) * heads_each + in_group) * HeadSize + channel, x);
          }
        });
  }
  finish_exchange(signals);
}

template <class T, int HeadSize>
void launch(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const& signals,
            cudaStream_t stream) {
  // A rank without tokens takes part too: the others wait for it.
  unsigned const blocks = blocks_per_sm * multiprocessors();
  auto const rows = static_cast<unsigned>(call.rows);
  dim3 const grid(std::clamp(rows, 1U, blocks), static_cast<unsigned>(call.images));
  share_heads_kernel<T, HeadSize><<<grid, rotate_threads, 0, stream>>>(call, places, signals);
}

}  // namespace

void share_heads(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const& signals,
                 cudaStream_t stream) {
  with_element(call.element, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (call.head_size == 128) return launch<T, 128>(call, places, signals, stream);
    launch<T, 64>(call, places, signals, stream);
  });
}

}  // namespace ditbatch::ops::cuda
