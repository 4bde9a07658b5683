#include "comm/device_stopwatch.hpp"

#include <time.h>

#include "core/error.hpp"
#if DITBATCH_CUDA
#include <ATen/cuda/CUDAEvent.h>
#endif

namespace ditbatch {

namespace {

double thread_ms() {
  struct timespec used {};
  ensure(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0, "a thread has a clock of its own");
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) * 1e-6;
}

}  // namespace

#if DITBATCH_CUDA
struct DeviceStopwatch::Events {
  at::cuda::CUDAEvent begin{cudaEventDefault};  // with a time
  at::cuda::CUDAEvent end{cudaEventDefault};
};
#else
struct DeviceStopwatch::Events {};
#endif

DeviceStopwatch::DeviceStopwatch(c10::Device device) {
  if (device.is_cuda()) events_ = std::make_unique<Events>();
}

DeviceStopwatch::~DeviceStopwatch() = default;

void DeviceStopwatch::start() {
#if DITBATCH_CUDA
  if (events_) return events_->begin.record();
#endif
  begin_ms_ = thread_ms();
}

double DeviceStopwatch::stop_ms() {
#if DITBATCH_CUDA
  if (events_) {
    events_->end.record();
    events_->end.synchronize();
    return events_->begin.elapsed_time(events_->end);
  }
#endif
  return thread_ms() - begin_ms_;
}

}  // namespace ditbatch
