#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace ditbatch {

// CUDA builds only.

/// From here on the peak is counted anew.
void reset_gpu_peak(c10::Device device);
/// The most that tensors, caches and graphs of this process held at once, without what libraries
/// (CUDA itself, NCCL) take for themselves.
[[nodiscard]] std::uint64_t gpu_peak_bytes(c10::Device device);

}  // namespace ditbatch
