#include "text/unicode_text.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace ditbatch::text {

std::vector<CodePoint> code_points(std::string_view text) {
  std::vector<CodePoint> points;
  std::size_t offset = 0;
  while (offset < text.size()) {
    std::size_t const size = utf8_length_at(text, offset);
    require(size > 0, ExitCode::bad_input,
            "a prompt is not UTF-8 (tokenizers need it) save it as UTF-8");
    utf8proc_int32_t value = 0;
    utf8proc_iterate(reinterpret_cast<utf8proc_uint8_t const*>(text.data() + offset),
                     static_cast<utf8proc_ssize_t>(size), &value);
    points.push_back({static_cast<char32_t>(value), offset, size});
    offset += size;
  }
  return points;
}

void append_utf8(std::string& out, char32_t value) {
  utf8proc_uint8_t bytes[4];
  auto const size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), bytes);
  out.append(reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size));
}

namespace {

struct Range {
  char32_t first, last;
};

// Characters newer than Debian's utf8proc (2.8, Unicode 15), as the `tokenizers` library knows
// them: letters and numbers of Unicode 16, lower case of Unicode 17. The parity tests draw from all
// code points.
constexpr std::array new_letters{
    Range{0x1C89, 0x1C8A},   Range{0xA7CB, 0xA7CD},   Range{0xA7DA, 0xA7DC},
    Range{0x105C0, 0x105F3}, Range{0x10D4A, 0x10D65}, Range{0x10D6F, 0x10D85},
    Range{0x10EC2, 0x10EC4}, Range{0x11380, 0x11389}, Range{0x1138B, 0x1138B},
    Range{0x1138E, 0x1138E}, Range{0x11390, 0x113B5}, Range{0x113B7, 0x113B7},
    Range{0x113D1, 0x113D1}, Range{0x113D3, 0x113D3}, Range{0x11BC0, 0x11BE0},
    Range{0x13460, 0x143FA}, Range{0x16100, 0x1611D}, Range{0x16D40, 0x16D6C},
    Range{0x18CFF, 0x18CFF}, Range{0x1E5D0, 0x1E5ED}, Range{0x1E5F0, 0x1E5F0},
    Range{0x2EBF0, 0x2EE5D}};
constexpr std::array new_numbers{Range{0x10D40, 0x10D49}, Range{0x116D0, 0x116E3},
                                 Range{0x11BF0, 0x11BF9}, Range{0x16130, 0x16139},
                                 Range{0x16D70, 0x16D79}, Range{0x1CCF0, 0x1CCF9},
                                 Range{0x1E5F1, 0x1E5FA}};

struct LowerCase {
  char32_t first, last;
  std::int32_t offset;  // to the lower case
};
constexpr std::array new_lower_case{
    LowerCase{0x1C89, 0x1C89, 1},    LowerCase{0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    LowerCase{0xA7CC, 0xA7CC, 1},    LowerCase{0xA7CE, 0xA7CE, 1},
    LowerCase{0xA7D2, 0xA7D2, 1},    LowerCase{0xA7D4, 0xA7D4, 1},
    LowerCase{0xA7DA, 0xA7DA, 1},    LowerCase{0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    LowerCase{0x10D50, 0x10D65, 32}, LowerCase{0x16EA0, 0x16EB8, 27}};

template <class Ranges>
bool is_in(Ranges const& ranges, char32_t value) {
  return std::any_of(ranges.begin(), ranges.end(), [value](Range const& range) {
    return value >= range.first && value <= range.last;
  });
}

char32_t lower_case(char32_t value) {
  for (LowerCase const& range : new_lower_case) {
    if (value >= range.first && value <= range.last)
      return static_cast<char32_t>(static_cast<std::int32_t>(value) + range.offset);
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(value)));
}

}  // namespace

bool is_letter(char32_t value) {
  auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(value));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         is_in(new_letters, value);
}

bool is_number(char32_t value) {
  auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(value));
  return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) ||
         is_in(new_numbers, value);
}

bool is_white_space(char32_t value) {
  return (value >= 0x09 && value <= 0x0D) || value == 0x20 || value == 0x85 || value == 0xA0 ||
         value == 0x1680 || (value >= 0x2000 && value <= 0x200A) || value == 0x2028 ||
         value == 0x2029 || value == 0x202F || value == 0x205F || value == 0x3000;
}

namespace {

// Marks that utf8proc puts in canonical order, but the older tables of the `tokenizers` library do
// not know: they stay where they are, and nothing moves or composes across them.
constexpr std::array unordered_marks{
    Range{0x7FD, 0x7FD},     Range{0x898, 0x89F},     Range{0x8CA, 0x8D3},
    Range{0x9FE, 0x9FE},     Range{0xC3C, 0xC3C},     Range{0xD3B, 0xD3C},
    Range{0xEBA, 0xEBA},     Range{0x1715, 0x1715},   Range{0x1ABF, 0x1ACE},
    Range{0x1DF6, 0x1DFA},   Range{0xA82C, 0xA82C},   Range{0x10D24, 0x10D27},
    Range{0x10EAB, 0x10EAC}, Range{0x10EFD, 0x10EFF}, Range{0x10F46, 0x10F50},
    Range{0x10F82, 0x10F85}, Range{0x11070, 0x11070}, Range{0x1133B, 0x1133B},
    Range{0x1145E, 0x1145E}, Range{0x11839, 0x1183A}, Range{0x1193D, 0x1193E},
    Range{0x11943, 0x11943}, Range{0x119E0, 0x119E0}, Range{0x11A34, 0x11A34},
    Range{0x11A47, 0x11A47}, Range{0x11A99, 0x11A99}, Range{0x11D42, 0x11D42},
    Range{0x11D44, 0x11D45}, Range{0x11D97, 0x11D97}, Range{0x11F41, 0x11F42},
    Range{0x16FF0, 0x16FF1}, Range{0x1E08F, 0x1E08F}, Range{0x1E130, 0x1E136},
    Range{0x1E2AE, 0x1E2AE}, Range{0x1E2EC, 0x1E2EF}, Range{0x1E4EC, 0x1E4EF}};

std::string compose(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  auto const size =
      utf8proc_map(reinterpret_cast<utf8proc_uint8_t const*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  require(size >= 0, ExitCode::bad_input,
          "a prompt cannot be normalised (" + std::string(utf8proc_errmsg(size)) +
              ") save it as UTF-8");
  std::string result(reinterpret_cast<char const*>(composed), static_cast<std::size_t>(size));
  std::free(composed);
  return result;
}

}  // namespace

std::string nfc(std::string_view text) {
  std::string out;
  std::size_t begin = 0;
  for (CodePoint const& point : code_points(text)) {
    if (!is_in(unordered_marks, point.value)) continue;
    out += compose(text.substr(begin, point.offset - begin));
    out.append(text, point.offset, point.size);
    begin = point.offset + point.size;
  }
  return out + compose(text.substr(begin));
}

std::string lower_case(std::string_view text) {
  std::string out;
  for (CodePoint const& point : code_points(text)) {
    if (point.value == 0x130) {  // the one lower case of two code points: i and a dot above
      out += "i\xCC\x87";
    } else {
      append_utf8(out, lower_case(point.value));
    }
  }
  return out;
}

std::vector<std::string_view> graphemes(std::string_view text) {
  std::vector<std::string_view> clusters;
  utf8proc_int32_t state = 0;
  std::size_t begin = 0;
  char32_t before = 0;
  for (CodePoint const& point : code_points(text)) {
    bool const is_break =
        point.offset > 0 &&
        utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before),
                                         static_cast<utf8proc_int32_t>(point.value), &state) != 0;
    if (is_break) {
      clusters.push_back(text.substr(begin, point.offset - begin));
      begin = point.offset;
    }
    before = point.value;
  }
  if (begin < text.size()) clusters.push_back(text.substr(begin));
  return clusters;
}

}  // namespace ditbatch::text
