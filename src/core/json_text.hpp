#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace ditbatch {

// JSON to text and back in one place: compiled once, it spares each of its users some seconds.

/// `indent` spaces a level; -1: one line. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string to_text(nlohmann::json const& value, int indent = -1);
/// A message or file of our own. Throws nlohmann::json::parse_error for a text that is no JSON.
[[nodiscard]] nlohmann::json json_of(std::string_view text);
/// A text that may be cut or foreign: a value that `is_discarded()` where it is no JSON.
[[nodiscard]] nlohmann::json json_or_discarded(std::string_view text);
/// The same of a whole file; discarded too where it is missing or cannot be read.
[[nodiscard]] nlohmann::json json_file_or_discarded(std::string const& path);

}  // namespace ditbatch
