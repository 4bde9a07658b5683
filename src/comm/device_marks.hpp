#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "comm/peer_signals.hpp"
#include "core/activity.hpp"

namespace ditbatch {

/// Tells which collective a GPU last came to.
///
/// A CUDA graph runs its collectives without the host: what the host called last says nothing about
/// where they stand. So the GPU itself writes a mark to the host's memory before each collective,
/// inside graphs too, and a watchdog can name the one that hangs.
class DeviceMarks {
 public:
  DeviceMarks();
  DeviceMarks(DeviceMarks const&) = delete;
  DeviceMarks& operator=(DeviceMarks const&) = delete;
  ~DeviceMarks();

  /// For a kernel that leaves the mark itself.
  [[nodiscard]] DeviceMark mark(std::string const& call);
  /// Enqueues a mark on the current stream, captured if the stream is capturing.
  void enter(std::string const& call);

  /// What the GPU came to last; from any thread, without asking the GPU.
  [[nodiscard]] DeviceCall last() const;

 private:
  // Element 0: of all marks (words: count << 16 | name of the last). Element 1 + i: of groups_[i].
  std::uint64_t* words_ = nullptr;     // mapped host memory
  std::uint64_t* counters_ = nullptr;  // on the device
  mutable std::mutex mutex_;           // guards the names
  std::vector<std::string> names_;
  std::vector<std::string> groups_;
};

void launch_mark(DeviceMark const& mark, cudaStream_t stream);

}  // namespace ditbatch
