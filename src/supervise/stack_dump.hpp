#pragma once

#include <string>

namespace ditbatch {

/// The stacks of all threads of this process, one frame a line. A thread that does not answer
/// within 0.2 s (it stands in the kernel) is listed without frames. One call at a time.
[[nodiscard]] std::string stacks_of_all_threads();

}  // namespace ditbatch
