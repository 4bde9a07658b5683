// Rows to the ranks that own them: a warp takes a row, 16 bytes a lane at a time.
#include "comm/peer_signals.cuh"
#include "ops/cuda/peer_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr unsigned threads = 256;
constexpr unsigned rows_at_once = threads / 32;

__global__ void __launch_bounds__(threads)
    scatter_rows_kernel(__grid_constant__ RowScatter const scatter,
                        __grid_constant__ PeerSignals const signals) {
  leave_mark(signals.mark);
  unsigned const lane = threadIdx.x % 32;
  std::int64_t const turned_row = blockIdx.x * rows_at_once + threadIdx.x / 32;
  std::int64_t const image = blockIdx.y;
  if (turned_row < scatter.rows) {
    std::int64_t const row = (turned_row + scatter.first_row) % scatter.rows;
    int segment = 0;
    while (segment + 1 < scatter.segments && scatter.segment[segment + 1].begin <= row) ++segment;
    RowSegment const& place = scatter.segment[segment];
    auto const* from =
        reinterpret_cast<int4 const*>(scatter.from + image * scatter.from_image_stride_bytes +
                                      row * scatter.from_row_stride_bytes);
    auto* to = reinterpret_cast<int4*>(place.to + image * place.image_stride_bytes +
                                       (row - place.begin) * scatter.to_row_stride_bytes);
    auto const count = static_cast<unsigned>(scatter.row_bytes / 16);
    for (unsigned i = lane; i < count; i += 32) to[i] = from[i];
  }
  // comm: branch
  finish_exchange(signals);
}

}  // namespace

void scatter_rows(RowScatter const& scatter, PeerSignals const& signals, cudaStream_t stream) {
  auto const rows = static_cast<unsigned>(scatter.rows);
  // A rank without rows takes part too: the others wait for it.
  dim3 const grid(rows == 0 ? 1 : (rows + rows_at_once - 1) / rows_at_once,
                  static_cast<unsigned>(scatter.images));
  scatter_rows_kernel<<<grid, threads, 0, stream>>>(scatter, signals);
}

}  // namespace ditbatch::ops::cuda
