#pragma once

#include <cuda/atomic>

#include "comm/peer_signals.hpp"

namespace ditbatch {

/// Tells the host that this kernel runs.
__device__ inline void leave_mark(DeviceMark const& mark) {
  if (mark.counter == nullptr || blockIdx.x != 0 || blockIdx.y != 0 || threadIdx.x != 0) return;
  *mark.counter += 1;
  *mark.group_counter += 1;
  *static_cast<std::uint64_t volatile*>(mark.group_word) = *mark.group_counter;
  *static_cast<std::uint64_t volatile*>(mark.word) = *mark.counter << 16U | mark.name;
}

/// Ends an exchange; all threads of all blocks call it once, after their last write. The block that
/// comes last tells the other ranks and waits until all of them have written to this rank: what
/// follows on the stream may read it.
///
/// Every rank must launch its exchanges in the same order, or the group deadlocks. A rank writes
/// before it waits, so ranks that come at different times only wait. What an exchange overwrites
/// has to have been read before the exchange in between was finished: a rank that goes on to an
/// exchange has seen that all ranks had come to the one before.
__device__ inline void finish_exchange(PeerSignals const& signals) {
  __shared__ bool is_last;
  __shared__ std::uint64_t number;
  __threadfence_system();
  __syncthreads();
  if (threadIdx.x == 0) {
    unsigned const blocks = gridDim.x * gridDim.y;
    cuda::atomic_ref<unsigned, cuda::thread_scope_device> finished(*signals.finished_blocks);
    is_last = finished.fetch_add(1, cuda::memory_order_acq_rel) == blocks - 1;
    if (is_last) {
      *signals.finished_blocks = 0;
      number = ++*signals.exchanges;
    }
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence_system();
  int const peer = static_cast<int>(threadIdx.x);
  if (peer < signals.ranks && peer != signals.rank) {
    using Counter = cuda::atomic_ref<std::uint64_t, cuda::thread_scope_system>;
    Counter(signals.arrived[peer][signals.rank]).store(number, cuda::memory_order_release);
    Counter const theirs(signals.arrived[signals.rank][peer]);
    constexpr unsigned looks_between = 1024;  // at the host's memory, which is far away
    for (unsigned looks = 1; theirs.load(cuda::memory_order_acquire) < number; ++looks) {
      bool const look = looks % looks_between == 0;
      if (look && *static_cast<std::uint64_t const volatile*>(signals.given_up) != 0) break;
    }
  }
}

}  // namespace ditbatch
