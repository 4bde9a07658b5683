#pragma once

#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <vector>

#include "ops/cuda/peer_kernels.hpp"

namespace ditbatch::flux {

/// A rank's own rows of some heads.
struct OwnRows {
  std::int64_t row_bytes = 0;
  std::int64_t text_rows = 0, rows = 0;  // of each image; text first
  std::int64_t images = 0;
};

/// Copies of heads to other ranks' memory by the GPU's copy engines, those to each receiver on a
/// stream of its own: they run at once, and beside kernels that keep all multiprocessors.
class PeerCopies {
 public:
  /// Copies to receiver `i` from here on, after all that the current stream has been given.
  void begin(std::size_t i);
  void copy(ops::cuda::HeadPlace const& from, ops::cuda::HeadPlace const& to,
            OwnRows const& own) const;
  /// The current stream goes on when all copies have arrived.
  void join() const;

 private:
  std::vector<c10::cuda::CUDAStream> streams_;
  std::size_t receiver_ = 0;
};

}  // namespace ditbatch::flux
