#pragma once

#include <functional>
#include <vector>

#include "profile/kernel_record.hpp"

namespace ditbatch {

/// Records every kernel and copy of this process' GPU by CUPTI's activity interface, those that
/// graphs launch as well, from its construction until stop(). One at a time.
///
/// CUPTI hands its buffers over as they fill, on a thread of its own: a long recording costs the
/// thread that drives the GPU nothing, and needs as much memory as the sink keeps.
class KernelRecorder {
 public:
  /// Takes what was delivered, in the order of delivery, which is roughly that of the ends. Called
  /// from any thread, one call at a time, and never after stop(); it must not call CUDA.
  using Sink = std::function<void(std::vector<KernelRecord>)>;

  /// Whether this build has CUPTI.
  [[nodiscard]] static bool is_available();

  /// Throws Error(unhealthy) where CUPTI refuses (another profiler, or no permission).
  explicit KernelRecorder(Sink sink);
  KernelRecorder(KernelRecorder const&) = delete;
  KernelRecorder& operator=(KernelRecorder const&) = delete;
  ~KernelRecorder();

  /// Gives the sink what is left; the device must have been waited for.
  void stop();
};

}  // namespace ditbatch
