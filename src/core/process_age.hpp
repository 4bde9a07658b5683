#pragma once

#include <sys/types.h>

#include <optional>

namespace ditbatch {

/// When the kernel started a process of this PID namespace, in ticks since boot: with its number it
/// names the process for good. Nothing where there is none, or only its zombie.
[[nodiscard]] std::optional<long long> process_begin_ticks(pid_t process);

/// Seconds since the kernel started this process: unlike a clock that main() starts, it has seen
/// the libraries being loaded. To 10 ms.
[[nodiscard]] double process_age_s();

}  // namespace ditbatch
