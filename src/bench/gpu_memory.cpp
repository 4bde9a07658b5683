#include "bench/gpu_memory.hpp"

#include <c10/cuda/CUDACachingAllocator.h>

namespace ditbatch {

void reset_gpu_peak(c10::Device device) {
  c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
}

std::uint64_t gpu_peak_bytes(c10::Device device) {
  auto const stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  return static_cast<std::uint64_t>(
      stats.reserved_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)]
          .peak);
}

}  // namespace ditbatch
