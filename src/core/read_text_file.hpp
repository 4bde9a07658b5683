#pragma once

#include <optional>
#include <string>

namespace ditbatch {

/// The whole of a small file; nothing where none of the name is. Throws Error(io) where it cannot
/// be read, Error(bad_input) where the name is no plain file's: opening a pipe would wait for ever.
[[nodiscard]] std::optional<std::string> read_text_file(std::string const& path);
/// The same of a file that may be missing, unreadable or none: "" then.
[[nodiscard]] std::string read_text_if_any(std::string const& path);

}  // namespace ditbatch
