#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "comm/peer_signals.hpp"
#include "ops/cuda/row_kernels.hpp"

// Exchanges that write to other ranks' memory: no buffer is packed, sent, received or unpacked.
namespace ditbatch::ops::cuda {

// Ranks begin with different receivers: all of them writing to one at a time would wait for its
// link.

/// Where one rank's queries, keys and values of its own tokens are written to.
struct HeadPlaces {
  int query_groups = 1;  // ranks that share the heads; each has `heads / query_groups` of them
  int key_copies = 1;    // ranks that each head's keys and values go to
  void* query[max_peers] = {};      // by head group: (images, query_rows, heads each, head size)
  void* key_value[max_peers] = {};  // by copy * query_groups + head group: (images, key_rows, 2,
                                    // heads each, head size)
  std::int64_t query_rows = 0, key_rows = 0;  // of each image there
  std::int64_t query_row[2] = {};  // where this rank's text rows and image rows begin there
  std::int64_t key_row[2] = {};
  int first_group = 0;  // that is written to first
};

/// Norms and rotates queries and keys as norm_and_rotate() does, and writes them and the values to
/// the ranks that attend with them; `call.qkv` stays as it is.
void share_heads(NormAndRotate const& call, HeadPlaces const& places, PeerSignals const& signals,
                 cudaStream_t stream);

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
  std::int64_t first_row = 0;  // that is written first
  int segments = 0;
  RowSegment segment[2 * max_peers];  // in order of their rows; empty ones are left out
};
/// Rows to the ranks that own them.
void scatter_rows(RowScatter const& scatter, PeerSignals const& signals, cudaStream_t stream);

}  // namespace ditbatch::ops::cuda
