#include "comm/device_marks.hpp"

#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <atomic>

#include "comm/cuda_device.hpp"

namespace ditbatch {

namespace {

constexpr unsigned name_bits = 16;

}  // namespace

DeviceMarks::DeviceMarks() {
  void* word = nullptr;
  check_cuda(cudaHostAlloc(&word, sizeof *word_, cudaHostAllocMapped));
  word_ = static_cast<std::uint64_t*>(word);
  *word_ = 0;
  void* counter = nullptr;
  check_cuda(cudaMalloc(&counter, sizeof *counter_));
  counter_ = static_cast<std::uint64_t*>(counter);
  check_cuda(cudaMemset(counter_, 0, sizeof *counter_));
}

DeviceMarks::~DeviceMarks() {
  (void)cudaFree(counter_);
  (void)cudaFreeHost(word_);
}

DeviceMark DeviceMarks::mark(std::string const& call) {
  std::scoped_lock const lock(mutex_);
  auto found = std::find(names_.begin(), names_.end(), call);
  if (found == names_.end()) found = names_.insert(names_.end(), call);
  return {counter_, word_, static_cast<std::uint16_t>(found - names_.begin())};
}

void DeviceMarks::enter(std::string const& call) {
  launch_mark(mark(call), c10::cuda::getCurrentCUDAStream().stream());
  check_cuda(cudaGetLastError());
}

DeviceCall DeviceMarks::last() const {
  std::uint64_t const word = std::atomic_ref<std::uint64_t>(*word_).load();
  if (word == 0) return {};
  std::scoped_lock const lock(mutex_);
  return {names_[word & ((std::uint64_t{1} << name_bits) - 1)], word >> name_bits};
}

}  // namespace ditbatch
