#pragma once

#include <cstddef>
#include <string_view>

namespace ditbatch {

/// Bytes of the well-formed UTF-8 sequence that starts at `offset`; 0 where none does
/// (truncated, overlong, surrogate, beyond U+10FFFF).
[[nodiscard]] std::size_t utf8_length_at(std::string_view text, std::size_t offset);

/// Offset of the first byte that is not well-formed UTF-8; npos where all is well.
[[nodiscard]] std::size_t find_bad_utf8(std::string_view text);

}  // namespace ditbatch
