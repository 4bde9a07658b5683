#include "text/added_tokens.hpp"

#include <array>

#include "text/unicode_text.hpp"

namespace ditbatch::text {

namespace {

bool is_word_character(char32_t value) {
  return is_letter(value) || is_number(value) || value == '_';
}

bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
  std::vector<CodePoint> const before = code_points(text.substr(0, begin));
  std::vector<CodePoint> const after =
      code_points(text.substr(end, std::min<std::size_t>(text.size() - end, 4)));
  return (!before.empty() && is_word_character(before.back().value)) ||
         (!after.empty() && is_word_character(after.front().value));
}

std::size_t white_space_begin(std::string_view text, std::size_t end) {
  std::vector<CodePoint> const points = code_points(text.substr(0, end));
  std::size_t begin = end;
  for (auto point = points.rbegin(); point != points.rend() && is_white_space(point->value);
       ++point)
    begin = point->offset;
  return begin;
}

std::size_t white_space_end(std::string_view text, std::size_t begin) {
  for (CodePoint const& point : code_points(text.substr(begin))) {
    if (!is_white_space(point.value)) return begin + point.offset;
  }
  return text.size();
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
    std::size_t const cut_begin =
        longest->lstrip ? std::max(text_begin, white_space_begin(text, at)) : at;
    std::size_t const cut_end = longest->rstrip ? white_space_end(text, end) : end;
    if (cut_begin > text_begin) pieces.push_back({text.substr(text_begin, cut_begin - text_begin)});
    pieces.push_back({text.substr(cut_begin, cut_end - cut_begin), longest->id});
    text_begin = at = cut_end;
  }
  if (text_begin < text.size()) pieces.push_back({text.substr(text_begin)});
  return pieces;
}

}  // namespace ditbatch::text
