#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// What the driver (NVML) and the kernel's log say against the current GPU: uncorrected ECC errors,
/// failed or pending row remaps, hardware slow-down (ask under load), Xids of the last day. Empty
/// where all is well or nobody may know.
[[nodiscard]] std::vector<std::string> gpu_problems(std::string const& gpu_uuid);

/// The current GPU's memory that other processes hold, as a problem; empty if that is little. Asked
/// before this process takes any.
[[nodiscard]] std::vector<std::string> taken_memory();

}  // namespace ditbatch
