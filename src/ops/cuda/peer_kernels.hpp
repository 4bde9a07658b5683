#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "comm/peer_signals.hpp"
#include "ops/cuda/row_kernels.hpp"

// Exchanges that write to other ranks' memory: no buffer is packed, sent, received or unpacked.
namespace ditbatch::ops::cuda {

/// Heads of some rank's own tokens in memory that holds more tokens: (images, rows, heads each,
/// head size), for keys and values (images, rows, 2, heads each, head size).
struct HeadPlace {
  void* memory = nullptr;
  std::int64_t rows = 0;                     // of each image there
  std::int64_t text_row = 0, image_row = 0;  // where this rank's begin
};
/// Where one rank's queries, keys and values are written to.
struct HeadPlaces {
  int groups = 1;                  // of heads; each has as many
  int key_copies = 1;              // ranks that each head's keys and values go to
  HeadPlace query[max_peers];      // by group
  HeadPlace key_value[max_peers];  // by copy * groups + group
  int first_group = 0;             // that is written to first: not all ranks to one at a time
};

/// Norms and rotates queries and keys as norm_and_rotate() does, and writes them and the values to
/// their places; `call.qkv` stays as it is. An exchange, or, without signals, on this GPU alone.
void share_heads(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const* signals,
                 cudaStream_t stream);

/// An exchange that writes nothing itself: what was copied to other ranks before it has arrived.
void finish_copies(PeerSignals const& signals, cudaStream_t stream);

/// Rows [begin, the next segment's begin) of each image, written to `to` on.
struct RowSegment {
  std::int64_t begin = 0;
  char* to = nullptr;  // of the segment's first row
  std::int64_t image_stride_bytes = 0;
};
struct RowScatter {
  char const* from = nullptr;
  std::int64_t images = 0, rows = 0, row_bytes = 0;  // row_bytes: a multiple of 16
  std::int64_t from_image_stride_bytes = 0, from_row_stride_bytes = 0, to_row_stride_bytes = 0;
  std::int64_t first_row = 0;  // that is written first: not all ranks to one at a time
  int segments = 0;
  RowSegment segment[2 * max_peers];  // in order of their rows; empty ones are left out
};
/// Rows to the ranks that own them.
void scatter_rows(RowScatter const& scatter, PeerSignals const& signals, cudaStream_t stream);

}  // namespace ditbatch::ops::cuda
