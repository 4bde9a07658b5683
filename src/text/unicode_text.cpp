#include "text/unicode_text.hpp"

#include <utf8proc.h>

#include <cstdlib>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace ditbatch::text {

std::vector<CodePoint> code_points(std::string_view text) {
  std::vector<CodePoint> points;
  std::size_t offset = 0;
  while (offset < text.size()) {
    std::size_t const size = utf8_length_at(text, offset);
    require(size > 0, ExitCode::bad_input, "a prompt is not UTF-8 (tokenizers need it) save it as UTF-8");
    utf8proc_int32_t value = 0;
    utf8proc_iterate(reinterpret_cast<utf8proc_uint8_t const*>(text.data() + offset), static_cast<utf8proc_ssize_t>(size), &value);
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

bool is_letter(char32_t value) {
  auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(value));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t value) {
  auto const category = utf8proc_category(static_cast<utf8proc_int32_t>(value));
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_white_space(char32_t value) {
  return (value >= 0x09 && value <= 0x0D) || value == 0x20 || value == 0x85 || value == 0xA0 || value == 0x1680 ||
         (value >= 0x2000 && value <= 0x200A) || value == 0x2028 || value == 0x2029 || value == 0x202F || value == 0x205F || value == 0x3000;
}

std::string nfc(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  auto const size = utf8proc_map(reinterpret_cast<utf8proc_uint8_t const*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                                 &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  require(size >= 0, ExitCode::bad_input, "a prompt cannot be normalised (" + std::string(utf8proc_errmsg(size)) + ") save it as UTF-8");
  std::string result(reinterpret_cast<char const*>(composed), static_cast<std::size_t>(size));
  std::free(composed);
  return result;
}

std::string lower_case(std::string_view text) {
  std::string out;
  for (CodePoint const& point : code_points(text)) {
    if (point.value == 0x130) {  // the one lower case of two code points: i and a dot above
      out += "i\xCC\x87";
    } else {
      append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point.value))));
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
    bool const is_break = point.offset > 0 && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before),
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
