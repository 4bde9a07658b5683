#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// What the driver (NVML), CUDA and the kernel's log say against the current GPU: uncorrected ECC
/// errors, failed or pending row remaps, hardware slow-down, Xids of the last day, and memory that
/// other processes hold (only if the GPU is this rank's alone). Empty where all is well or nobody
/// may know.
[[nodiscard]] std::vector<std::string> gpu_problems(std::string const& gpu_uuid, bool is_shared);

}  // namespace ditbatch
