#pragma once

#include <c10/core/Device.h>

#include <memory>

namespace ditbatch {

/// How long a device works for the calling thread: a GPU by its own clock, from where the current
/// stream stands at start() to where it stands at stop_ms(); a CPU rank by the processor time of
/// the thread, which leaves out what it slept.
class DeviceStopwatch {
 public:
  explicit DeviceStopwatch(c10::Device device);
  DeviceStopwatch(DeviceStopwatch const&) = delete;
  DeviceStopwatch& operator=(DeviceStopwatch const&) = delete;
  ~DeviceStopwatch();

  void start();
  /// Milliseconds since start(). Waits for a GPU to come here.
  [[nodiscard]] double stop_ms();

 private:
  struct Events;
  std::unique_ptr<Events> events_;  // of a GPU
  double begin_ms_ = 0;             // of a thread
};

}  // namespace ditbatch
