#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>

#include "core/trace.hpp"
#include "profile/gpu_use.hpp"
#include "profile/recording.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

/// How busy this rank's GPU is in the steady state of a job: from the end of the first hand-over of
/// images to the end of the last decode. Where nothing shall or can be recorded (CPU ranks, CUPTI
/// refuses), every call does nothing.
class SteadyGpuUse {
 public:
  /// Once the rank has its device, and before it captures a CUDA graph.
  SteadyGpuUse(RunOptions::Kernels kernels, c10::Device device);

  /// The first images were handed over: recording begins.
  void begin();
  /// The images of a batch are on the host.
  void decoded() { window_.end_ns = now_ns(); }
  /// Ends recording. The busy stretches become spans of a row of their own.
  [[nodiscard]] GpuUse finish(Trace& trace);

 private:
  Recording recording_ = Recording::refused;
  TimeSpan window_;
  GpuUseMeter meter_;  // fed by CUPTI's thread, as long as there is a recorder
  std::unique_ptr<KernelRecorder> recorder_;
};

}  // namespace ditbatch
