// A build without CUPTI records nothing.
#include "bench/kernel_recorder.hpp"

namespace ditbatch {

bool KernelRecorder::is_available() { return false; }

KernelRecorder::KernelRecorder() = default;
KernelRecorder::~KernelRecorder() = default;

std::vector<KernelRecord> KernelRecorder::stop() { return {}; }

}  // namespace ditbatch
