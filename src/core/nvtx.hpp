#pragma once

namespace ditbatch {

/// Opens and closes a range of this thread for NVIDIA's profilers; ranges nest. They carry the same
/// names as the spans. In builds without CUDA they do nothing, and next to nothing where no
/// profiler listens.
void open_range(char const* name);
void close_range();

}  // namespace ditbatch
