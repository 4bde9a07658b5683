// A build without CUPTI records nothing.
#include "profile/kernel_recorder.hpp"

namespace ditbatch {

bool KernelRecorder::is_available() { return false; }

KernelRecorder::KernelRecorder(Sink /*sink*/) {}
KernelRecorder::~KernelRecorder() = default;

void KernelRecorder::stop() {}

}  // namespace ditbatch
