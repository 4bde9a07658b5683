#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch::text {

/// A token that is found in the raw text before anything else happens to it, or, if `normalized`,
/// in the text after normalisation.
struct AddedToken {
  std::string content;
  std::int64_t id = 0;
  bool normalized = false;
  bool lstrip = false;  // takes the white space before it along
  bool rstrip = false;
  bool single_word = false;  // only where no word character touches it
};

/// A piece of text, or an added token that stood between two.
struct TextPiece {
  std::string_view text;
  std::int64_t token = -1;  // of an added token; -1: text
};

/// Cuts a text at the tokens, the leftmost first and of those the longest.
[[nodiscard]] std::vector<TextPiece> cut_at_tokens(std::string_view text,
                                                   std::vector<AddedToken> const& tokens);

}  // namespace ditbatch::text
