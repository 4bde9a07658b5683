#include "text/added_tokens.hpp"

#include <algorithm>
#include <array>

#include "core/utf8.hpp"
#include "text/unicode_text.hpp"

namespace ditbatch::text {

namespace {

bool is_word_character(char32_t value) {
  return is_letter(value) || is_number(value) || value == '_';
}

// The code point that starts at, or ends before, a place: looked at alone, for a text may hold as
// many tokens as bytes.
CodePoint point_at(std::string_view text, std::size_t begin) {
  std::size_t const size = std::max<std::size_t>(utf8_length_at(text, begin), 1);
  return code_points(text.substr(begin, size)).front();
}
CodePoint point_before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) --begin;
  return point_at(text, begin);
}

bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_word_character(point_before(text, begin).value)) ||
         (end < text.size() && is_word_character(point_at(text, end).value));
}

std::size_t white_space_begin(std::string_view text, std::size_t begin, std::size_t end) {
  while (end > begin && is_white_space(point_before(text, end).value))
    end -= point_before(text, end).size;
  return end;
}

std::size_t white_space_end(std::string_view text, std::size_t begin) {
  while (begin < text.size() && is_white_space(point_at(text, begin).value))
    begin += point_at(text, begin).size;
  return begin;
}

}  // namespace

std::vector<TextPiece> cut_at_tokens(std::string_view text, std::vector<AddedToken> const& tokens) {
  std::array<bool, 256> starts{};
  for (AddedToken const& token : tokens) {
    if (!token.content.empty()) starts[static_cast<unsigned char>(token.content[0])] = true;
  }
  std::vector<TextPiece> pieces;
  std::size_t text_begin = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    AddedToken const* longest = nullptr;
    if (starts[static_cast<unsigned char>(text[at])]) {
      for (AddedToken const& token : tokens) {
        if (!token.content.empty() && text.compare(at, token.content.size(), token.content) == 0 &&
            (longest == nullptr || token.content.size() > longest->content.size())) {
          longest = &token;
        }
      }
    }
    std::size_t const end = longest == nullptr ? at + 1 : at + longest->content.size();
    if (longest == nullptr || (longest->single_word && touches_word(text, at, end))) {
      at = end;
      continue;
    }
    std::size_t const cut_begin = longest->lstrip ? white_space_begin(text, text_begin, at) : at;
    std::size_t const cut_end = longest->rstrip ? white_space_end(text, end) : end;
    if (cut_begin > text_begin) pieces.push_back({text.substr(text_begin, cut_begin - text_begin)});
    pieces.push_back({text.substr(cut_begin, cut_end - cut_begin), longest->id});
    text_begin = at = cut_end;
  }
  if (text_begin < text.size()) pieces.push_back({text.substr(text_begin)});
  return pieces;
}

}  // namespace ditbatch::text
