// RMS norm and rotary embedding of queries and keys, written to the ranks that attend with them.
#include "comm/peer_signals.cuh"
#include "ops/cuda/norm_and_rotate.cuh"
#include "ops/cuda/peer_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

template <class T, int HeadSize>
__global__ void __launch_bounds__(rotate_threads)
    share_heads_kernel(__grid_constant__ NormAndRotate const call,
                       __grid_constant__ HeadPlaces const places,
                       __grid_constant__ PeerSignals const signals) {
  int const heads = static_cast<int>(call.heads);
  int const heads_each = heads / places.query_groups;
  auto const rows = static_cast<unsigned>(call.rows);
  for (unsigned i = blockIdx.x; i < rows * static_cast<unsigned>(call.images); i += gridDim.x) {
    std::int64_t const row = i % rows;
    std::int64_t const image = i / rows;
    bool const is_text = row < call.text_rows;
    std::int64_t const own_row = is_text ? row : row - call.text_rows;
    std::int64_t const query_row =
        image * places.query_rows + places.query_row[is_text ? 0 : 1] + own_row;
    std::int64_t const key_row =
        image * places.key_rows + places.key_row[is_text ? 0 : 1] + own_row;
    rotate_row<T, HeadSize>(
        call, image, row, 3 * heads, [&](int head, int channel, Vector const& x) {
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
            unsigned blocks, cudaStream_t stream) {
  auto const rows = static_cast<unsigned>(call.rows * call.images);
  unsigned const most = blocks == 0 ? rows : blocks;
  unsigned const grid = rows < most ? rows : most;
  // A rank without tokens takes part too: the others wait for it.
  share_heads_kernel<T, HeadSize>
      <<<grid == 0 ? 1 : grid, rotate_threads, 0, stream>>>(call, places, signals);
}

}  // namespace

void share_heads(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const& signals,
                 unsigned blocks, cudaStream_t stream) {
  with_element(call.element, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (call.head_size == 128) return launch<T, 128>(call, places, signals, blocks, stream);
    launch<T, 64>(call, places, signals, blocks, stream);
  });
}

}  // namespace ditbatch::ops::cuda
