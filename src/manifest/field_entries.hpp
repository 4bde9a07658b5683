#pragma once

#include <vector>

#include "core/term.hpp"

namespace ditbatch {

/// Every field of a manifest line, with what it may be and its default.
[[nodiscard]] std::vector<TermEntry> field_entries();

}  // namespace ditbatch
