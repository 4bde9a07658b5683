#pragma once

#include <string>

#include "core/problem.hpp"

namespace ditbatch {

/// A file that a manifest names, as an absolute path beneath `input_root`. A manifest may come from
/// anywhere, so an absolute path, "..", a symbolic link beneath the root, and whatever is no
/// regular file (a FIFO would block, a device may never end) are problems at `where`; then the
/// result is empty. Nothing is opened.
[[nodiscard]] std::string resolve_input_path(std::string const& input_root, std::string const& path,
                                             Position const& where, std::string const& field,
                                             Problems& problems);

}  // namespace ditbatch
