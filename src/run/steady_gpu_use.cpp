#include "run/steady_gpu_use.hpp"

#include "core/error.hpp"
#include "core/log.hpp"

namespace ditbatch {

namespace {

constexpr std::uint16_t gpu_thread = 3;  // Span::thread

}  // namespace

SteadyGpuUse::SteadyGpuUse(RunOptions::Kernels kernels, c10::Device device) {
  if (kernels == RunOptions::Kernels::leave) return;
  if (device.is_cuda())
    recording_ = wake_recorder();
  else
    log_warning("--record-kernels does nothing on a CPU rank (kernels are a GPU's)");
}

void SteadyGpuUse::begin() {
  if (recording_ == Recording::refused) return;
  recorder_ =
      start_recorder([this](std::vector<KernelRecord> const& kernels) { meter_.add(kernels); });
  window_.begin_ns = now_ns();
}

GpuUse SteadyGpuUse::finish(Trace& trace) {
  if (recording_ == Recording::refused) return {};
  try {
    if (recorder_) recorder_->stop();
  } catch (Error const& error) {
    log_warning(error.what());
    return {};
  }
  if (!recorder_ || window_.end_ns <= window_.begin_ns) {
    log_warning(
        "--record-kernels recorded nothing (the steady state begins when the first images are "
        "handed over) give each replica more than one batch");
    return {};
  }
  GpuUseMeter::Result const result = meter_.finish(window_);
  for (BusyStretch const& stretch : result.stretches)
    trace.add({"gpu", "", stretch.time.begin_ns, stretch.time.end_ns, gpu_thread});
  return result.use;
}

}  // namespace ditbatch
