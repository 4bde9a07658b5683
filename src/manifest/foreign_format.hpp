#pragma once

#include <string>
#include <string_view>

namespace ditbatch::manifest {

/// What is wrong with a manifest that is of another format as a whole, and the way out; "" for one
/// that may be JSONL.
[[nodiscard]] std::string foreign_format(std::string_view text);

}  // namespace ditbatch::manifest
