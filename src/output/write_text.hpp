#pragma once

#include <string>

namespace ditbatch {

/// Replaces a small file at once: written beside it, flushed, renamed. Throws Error(io),
/// and leaves nothing beside it then.
void write_text(std::string const& path, std::string const& text);

}  // namespace ditbatch
