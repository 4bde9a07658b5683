#pragma once

#include <string>
#include <string_view>

namespace ditbatch {

/// Prints to stdout as printf does, but for what a terminal would obey: names and texts come from
/// files that others wrote.
void say(char const* format, ...) __attribute__((format(printf, 1, 2)));
/// The same to stderr.
void say_error(char const* format, ...) __attribute__((format(printf, 1, 2)));

/// The text with control characters but tab and newline (C0, DEL, C1), and bytes that are no UTF-8,
/// written as "\u001b": inside a text of JSON that means the same.
[[nodiscard]] std::string without_controls(std::string_view text);

}  // namespace ditbatch
