#include "core/say.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <optional>

#include "core/utf8.hpp"

namespace ditbatch {

namespace {

std::string formatted(char const* format, std::va_list arguments) {
  std::va_list again;
  va_copy(again, arguments);
  int const size = std::vsnprintf(nullptr, 0, format, arguments);
  std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

// The character or byte that begins the text, where a terminal would obey it.
std::optional<unsigned> control_at(std::string_view text, std::size_t length) {
  auto const first = static_cast<unsigned char>(text[0]);
  if (length == 0) return first;  // no UTF-8
  if (length == 1) {
    bool const is_control = (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f;
    return is_control ? std::optional<unsigned>(first) : std::nullopt;
  }
  auto const second = static_cast<unsigned char>(text[1]);
  return first == 0xC2 && second < 0xA0 ? std::optional<unsigned>(second) : std::nullopt;
}

}  // namespace

std::string without_controls(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    std::size_t const length = utf8_length_at(text, 0);
    std::size_t const taken = length > 0 ? length : 1;
    if (auto const control = control_at(text, length)) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", *control);
      shown += escape.data();
    } else {
      shown += text.substr(0, taken);
    }
    text.remove_prefix(taken);
  }
  return shown;
}

void say(char const* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::fputs(without_controls(formatted(format, arguments)).c_str(), stdout);
  va_end(arguments);
}

void say_error(char const* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::fputs(without_controls(formatted(format, arguments)).c_str(), stderr);
  va_end(arguments);
}

}  // namespace ditbatch
