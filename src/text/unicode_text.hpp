#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ditbatch::text {

/// A code point and where it stands. The text must be well-formed UTF-8, as manifests are.
struct CodePoint {
  char32_t value = 0;
  std::size_t offset = 0;
  std::size_t size = 0;
};
[[nodiscard]] std::vector<CodePoint> code_points(std::string_view text);
void append_utf8(std::string& out, char32_t value);

[[nodiscard]] bool is_letter(char32_t value);       // category L
[[nodiscard]] bool is_number(char32_t value);       // category N
[[nodiscard]] bool is_white_space(char32_t value);  // property White_Space

/// Canonical composition.
[[nodiscard]] std::string nfc(std::string_view text);
/// Lower case code point by code point, as Rust's char::to_lowercase: no final sigma.
[[nodiscard]] std::string lower_case(std::string_view text);
/// Extended grapheme clusters.
[[nodiscard]] std::vector<std::string_view> graphemes(std::string_view text);

}  // namespace ditbatch::text
