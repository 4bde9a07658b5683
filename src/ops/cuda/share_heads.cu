// RMS norm and rotary embedding of queries and keys, written to the ranks that attend with them.
#include <algorithm>

#include "comm/peer_signals.cuh"
#include "ops/cuda/norm_and_rotate.cuh"
#include "ops/cuda/peer_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

// Few enough to stay until the last row. The links are what an exchange waits for: two blocks an SM
// keep them busy. On one GPU it is memory: as many as registers allow without spills.
constexpr unsigned sharing_blocks_per_sm = 2;
constexpr unsigned staging_blocks_per_sm = 4;

unsigned multiprocessors() {
  int device = 0;
  int count = 1;
  (void)cudaGetDevice(&device);
  (void)cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
  return static_cast<unsigned>(count);
}

// Of token `own_row` of a stream, as an index of rows of heads.
__device__ std::int64_t row_at(HeadPlace const& place, std::int64_t image, bool is_text,
                               std::int64_t own_row) {
  return image * place.rows + (is_text ? place.text_row : place.image_row) + own_row;
}

template <class T, int HeadSize>
__device__ void write_heads(NormAndRotate const& call, HeadPlaces const& places) {
  int const heads = static_cast<int>(call.heads);
  int const heads_each = heads / places.groups;
  std::int64_t const image = blockIdx.y;
  for (std::int64_t row = blockIdx.x; row < call.rows; row += gridDim.x) {
    bool const is_text = row < call.text_rows;
    std::int64_t const own_row = is_text ? row : row - call.text_rows;
    rotate_row<T, HeadSize>(
        call, image, row, 3 * heads, places.first_group * heads_each,
        [&](int head, int channel, Vector const& x) {
          int const kind = head / heads;  // query, key, value
          int const group = head % heads / heads_each;
          int const in_group = head % heads % heads_each;
          if (kind == 0) {
            HeadPlace const& place = places.query[group];
            std::int64_t const at = row_at(place, image, is_text, own_row) * heads_each + in_group;
            store(static_cast<T*>(place.memory) + at * HeadSize + channel, x);
            return;
          }
          for (int copy = 0; copy < places.key_copies; ++copy) {
            HeadPlace const& place = places.key_value[copy * places.groups + group];
            std::int64_t const token = 2 * row_at(place, image, is_text, own_row) + kind - 1;
            store(static_cast<T*>(place.memory) + (token * heads_each + in_group) * HeadSize +
                      channel,
                  x);
          }
        });
  }
}

template <class T, int HeadSize>
__global__ void __launch_bounds__(rotate_threads)
    share_heads_kernel(__grid_constant__ NormAndRotate const call,
                       __grid_constant__ HeadPlaces const places,
                       __grid_constant__ PeerSignals const signals) {
  leave_mark(signals.mark);
  write_heads<T, HeadSize>(call, places);
  // comm: branch
  finish_exchange(signals);
}

// On this GPU alone.
template <class T, int HeadSize>
__global__ void __launch_bounds__(rotate_threads, staging_blocks_per_sm)
    stage_heads_kernel(__grid_constant__ NormAndRotate const call,
                       __grid_constant__ HeadPlaces const places) {
  write_heads<T, HeadSize>(call, places);
}

__global__ void finish_copies_kernel(__grid_constant__ PeerSignals const signals) {
  leave_mark(signals.mark);
  // comm: branch
  finish_exchange(signals);
}

template <class T, int HeadSize>
void launch(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const* signals,
            cudaStream_t stream) {
  // A rank without tokens takes part too: the others wait for it.
  unsigned const blocks =
      (signals == nullptr ? staging_blocks_per_sm : sharing_blocks_per_sm) * multiprocessors();
  auto const rows = static_cast<unsigned>(call.rows);
  dim3 const grid(std::clamp(rows, 1U, blocks), static_cast<unsigned>(call.images));
  if (signals == nullptr) {
    stage_heads_kernel<T, HeadSize><<<grid, rotate_threads, 0, stream>>>(call, places);
  } else {
    share_heads_kernel<T, HeadSize><<<grid, rotate_threads, 0, stream>>>(call, places, *signals);
  }
}

}  // namespace

void share_heads(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const* signals,
                 cudaStream_t stream) {
  with_element(call.element, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (call.head_size == 128) return launch<T, 128>(call, places, signals, stream);
    launch<T, 64>(call, places, signals, stream);
  });
}

void finish_copies(PeerSignals const& signals, cudaStream_t stream) {
  finish_copies_kernel<<<1, 32, 0, stream>>>(signals);
}

}  // namespace ditbatch::ops::cuda
