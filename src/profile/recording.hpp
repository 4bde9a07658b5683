#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "profile/kernel_recorder.hpp"

namespace ditbatch {

// Work of hours does not end because another profiler holds the GPU, or its owner allows profiling
// to administrators only: where CUPTI refuses, these say so in the log and go on.

/// Whether kernels can be recorded from now on. Graphs that are made before CUPTI looks for the
/// first time might show as one piece, so it has to look before the first is captured.
enum class Recording { refused, possible };
[[nodiscard]] Recording wake_recorder();

/// A recorder at work; null where CUPTI refuses.
[[nodiscard]] std::unique_ptr<KernelRecorder> start_recorder(KernelRecorder::Sink sink);

/// What the GPU did during `work`, which has to wait for it; nothing where CUPTI refuses.
[[nodiscard]] std::vector<KernelRecord> kernels_of(std::function<void()> const& work);

}  // namespace ditbatch
