#pragma once

#include <string>
#include <vector>

#include "core/trace.hpp"

namespace ditbatch {

/// The stacks of all threads of this process, one frame a line. A thread that does not answer
/// within 0.2 s (it stands in the kernel) is listed without frames. One call at a time.
[[nodiscard]] std::string stacks_of_all_threads();

/// A line a span: how long ago it ended, how long it took, its thread, name and record.
[[nodiscard]] std::string spans_text(std::vector<Span> const& spans);

}  // namespace ditbatch
