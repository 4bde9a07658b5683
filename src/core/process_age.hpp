#pragma once

namespace ditbatch {

/// Seconds since the kernel started this process: unlike a clock that main() starts, it has seen
/// the libraries being loaded. To 10 ms.
[[nodiscard]] double process_age_s();

}  // namespace ditbatch
