#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ditbatch::text {

/// SentencePiece's precompiled character map: a double-array trie of replaced texts, and their
/// replacements. Lookups are bounds-checked: a hostile map finds nothing.
class CharacterMap {
 public:
  /// None where the bytes are no such map.
  [[nodiscard]] static std::optional<CharacterMap> parse(std::string_view bytes);

  /// Replaces grapheme by grapheme, as the `tokenizers` library does: a short cluster as a whole if
  /// any prefix of it is in the map, else each code point by itself.
  [[nodiscard]] std::string normalize(std::string_view text) const;

 private:
  [[nodiscard]] std::optional<std::string_view> replacement(std::string_view text) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;  // each ends with NUL
};

}  // namespace ditbatch::text
