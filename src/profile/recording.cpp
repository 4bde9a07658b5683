#include "profile/recording.hpp"

#include <iterator>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"

namespace ditbatch {

Recording wake_recorder() {
  try {
    KernelRecorder({}).stop();
    return Recording::possible;
  } catch (Error const& error) {
    log_warning(error.what());
    return Recording::refused;
  }
}

std::unique_ptr<KernelRecorder> start_recorder(KernelRecorder::Sink sink) {
  try {
    return std::make_unique<KernelRecorder>(std::move(sink));
  } catch (Error const& error) {
    log_warning(error.what());
    return nullptr;
  }
}

std::vector<KernelRecord> kernels_of(std::function<void()> const& work) {
  std::vector<KernelRecord> kernels;
  std::unique_ptr<KernelRecorder> const recorder =
      start_recorder([&kernels](std::vector<KernelRecord> delivered) {
        kernels.insert(kernels.end(), std::make_move_iterator(delivered.begin()),
                       std::make_move_iterator(delivered.end()));
      });
  work();
  if (recorder) recorder->stop();
  return kernels;
}

}  // namespace ditbatch
