#pragma once

#include <cstdint>

// Plain data for kernels that write to other GPUs' memory: nvcc reads neither MPI nor LibTorch.
namespace ditbatch {

constexpr int max_peers = 16;

/// Where a kernel tells the host that it runs: *word = ++*counter << 16 | name, and how many of its
/// group have run: *group_word = ++*group_counter. Null: it does not.
struct DeviceMark {
  std::uint64_t* counter = nullptr;
  std::uint64_t* word = nullptr;  // mapped host memory
  std::uint64_t* group_counter = nullptr;
  std::uint64_t* group_word = nullptr;  // mapped host memory
  std::uint16_t name = 0;
};

/// How ranks that write to each other's memory know that all have written: rank r has a counter
/// for each rank s, arrived[r] + s, where s stores the number of the last exchange it finished.
/// Pointers are valid in this process; arrived[rank] is this rank's own.
struct PeerSignals {
  int ranks = 1;
  int rank = 0;
  std::uint64_t* arrived[max_peers] = {};
  std::uint64_t* exchanges = nullptr;       // this rank's exchanges so far
  unsigned* finished_blocks = nullptr;      // of the exchange that runs
  std::uint64_t const* given_up = nullptr;  // host memory; not zero: nobody waits any more
  DeviceMark mark;
};

}  // namespace ditbatch
