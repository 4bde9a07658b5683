#include "comm/device_marks.hpp"

#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <atomic>

#include "comm/cuda_device.hpp"
#include "core/error.hpp"

namespace ditbatch {

namespace {

constexpr unsigned name_bits = 16;
constexpr std::size_t most_groups = 15;  // a mesh has five
constexpr std::size_t table_bytes = (1 + most_groups) * sizeof(std::uint64_t);

std::size_t place_of(std::string const& name, std::vector<std::string>& names) {
  auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) found = names.insert(names.end(), name);
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

DeviceMarks::DeviceMarks() {
  void* words = nullptr;
  check_cuda(cudaHostAlloc(&words, table_bytes, cudaHostAllocMapped));
  words_ = static_cast<std::uint64_t*>(words);
  std::fill_n(words_, table_bytes / sizeof *words_, std::uint64_t{0});
  void* counters = nullptr;
  check_cuda(cudaMalloc(&counters, table_bytes));
  counters_ = static_cast<std::uint64_t*>(counters);
  check_cuda(cudaMemset(counters_, 0, table_bytes));
}

DeviceMarks::~DeviceMarks() {
  (void)cudaFree(counters_);
  (void)cudaFreeHost(words_);
}

DeviceMark DeviceMarks::mark(std::string const& call) {
  std::scoped_lock const lock(mutex_);
  std::size_t const group = 1 + place_of(group_of(call), groups_);
  ensure(group <= most_groups, "there are marks for the groups of a mesh");
  return {counters_, words_, counters_ + group, words_ + group,
          static_cast<std::uint16_t>(place_of(call, names_))};
}

void DeviceMarks::enter(std::string const& call) {
  launch_mark(mark(call), c10::cuda::getCurrentCUDAStream().stream());
  check_cuda(cudaGetLastError());
}

DeviceCall DeviceMarks::last() const {
  auto const read = [this](std::size_t at) {
    return std::atomic_ref<std::uint64_t>(words_[at]).load();
  };
  std::uint64_t const word = read(0);
  if (word == 0) return {};
  std::scoped_lock const lock(mutex_);
  DeviceCall last{names_[word & ((std::uint64_t{1} << name_bits) - 1)], {}};
  for (std::size_t i = 0; i < groups_.size(); ++i) last.calls[groups_[i]] = read(1 + i);
  return last;
}

}  // namespace ditbatch
