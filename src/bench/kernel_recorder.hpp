#pragma once

#include <vector>

#include "bench/kernel_profile.hpp"

namespace ditbatch {

/// Records every kernel and copy of this process' GPU by CUPTI's activity interface, those that
/// graphs launch as well, from its construction until stop(). One at a time.
class KernelRecorder {
 public:
  /// Whether this build has CUPTI.
  [[nodiscard]] static bool is_available();

  /// Throws Error(unhealthy) where CUPTI refuses (another profiler, or no permission).
  KernelRecorder();
  KernelRecorder(KernelRecorder const&) = delete;
  KernelRecorder& operator=(KernelRecorder const&) = delete;
  ~KernelRecorder();

  /// Everything recorded; the device must have been waited for.
  [[nodiscard]] std::vector<KernelRecord> stop();

 private:
  std::int64_t to_steady_ns_ = 0;  // from CUPTI's clock
};

}  // namespace ditbatch
