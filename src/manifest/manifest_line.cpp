#include "manifest/manifest_line.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/problem.hpp"

namespace ditbatch::manifest {

namespace {

constexpr std::size_t most_levels = 64;
constexpr std::size_t most_fields = 100;  // several times what is known

// A JSON number. One that no double holds is NaN, which no field accepts.
LineValue number_of(std::string_view text) {
  LineValue made{LineValue::Kind::number};
  char const* const end = text.data() + text.size();
  made.number = std::numeric_limits<double>::quiet_NaN();
  if (std::from_chars(text.data(), end, made.number).ec != std::errc()) return made;
  made.negative = text.front() == '-';
  std::string_view const digits = text.substr(made.negative ? 1 : 0);
  auto const [rest, error] = std::from_chars(digits.data(), end, made.magnitude);
  if (rest == end && error == std::errc()) made.kind = LineValue::Kind::integer;
  if (made.magnitude == 0) made.negative = false;
  return made;
}

// Collects the fields of the outermost object; what lies deeper is only measured.
class Collector : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Collector> {
 public:
  Collector(std::string_view line, rapidjson::MemoryStream const& stream)
      : line_(line), stream_(stream) {}

  // RapidJSON calls these by name.
  // NOLINTBEGIN(readability-identifier-naming)
  bool Null() { return scalar({LineValue::Kind::null}); }
  bool Bool(bool /*value*/) { return scalar({LineValue::Kind::boolean}); }
  // As text: RapidJSON's own conversion has undefined behaviour for some zeros.
  bool RawNumber(char const* text, rapidjson::SizeType size, bool /*copy*/) {
    return scalar(depth_ == 1 ? number_of({text, size}) : LineValue{LineValue::Kind::number});
  }
  bool String(char const* text, rapidjson::SizeType size, bool /*copy*/) {
    if (depth_ == 2 && in_list_) {
      list_.emplace_back(text, size);
      return true;
    }
    LineValue made{LineValue::Kind::text};
    if (depth_ == 1) made.text.assign(text, size);
    return scalar(std::move(made));
  }
  bool StartObject() { return depth_ == 0 ? descend() : open(false); }
  bool StartArray() { return depth_ == 0 ? not_an_object() : open(true); }
  bool EndObject(rapidjson::SizeType /*members*/) { return close(); }
  bool EndArray(rapidjson::SizeType /*items*/) { return close(); }
  bool Key(char const* text, rapidjson::SizeType size, bool /*copy*/) {
    if (depth_ != 1) return true;
    if (fields.size() == most_fields) {
      return fail("has more than " + std::to_string(most_fields) +
                  " fields (a record has a handful) put them under metadata");
    }
    // Only white space and a comma lie between the last value and this key.
    std::size_t const begin = line_.find('"', behind_);
    fields.push_back({std::string(text, size), begin, {}});
    std::size_t const colon = line_.find(':', stream_.Tell());
    fields.back().value.offset = line_.find_first_not_of(" \t\r", colon + 1);
    return true;
  }
  // NOLINTEND(readability-identifier-naming)

  std::vector<LineField> fields;
  LineFault fault;

 private:
  bool scalar(LineValue value) {
    if (depth_ == 0) return not_an_object();
    if (depth_ == 2) only_texts_ = false;
    if (depth_ == 1) finish(std::move(value), stream_.Tell());
    return true;
  }
  bool open(bool is_list) {
    if (depth_ == 1) {
      in_list_ = is_list;
      only_texts_ = true;
      list_.clear();
    } else if (depth_ == 2) {
      only_texts_ = false;
    }
    return descend();
  }
  bool descend() {
    ++depth_;
    return depth_ <= most_levels || fail("is nested deeper than " + std::to_string(most_levels) +
                                         " levels (no record needs that)");
  }
  bool close() {
    --depth_;
    if (depth_ != 1) return true;
    LineValue value{LineValue::Kind::other};
    if (in_list_ && only_texts_) {
      value.kind = LineValue::Kind::texts;
      value.texts = std::move(list_);
      list_.clear();
    }
    in_list_ = false;
    finish(std::move(value), stream_.Tell() + 1);  // the stream stands on the closing bracket
    return true;
  }
  void finish(LineValue value, std::size_t end) {
    value.offset = fields.back().value.offset;
    value.source = line_.substr(value.offset, end - value.offset);
    fields.back().value = std::move(value);
    behind_ = end;
  }
  bool fail(std::string text) {
    fault = {"", std::move(text), stream_.Tell()};
    return false;
  }
  bool not_an_object() {
    fault = {"", "not a JSON object (a record is {\"id\": ..., \"prompt\": ...})",
             line_.find_first_not_of(" \t\r")};
    return false;
  }

  std::string_view line_;
  rapidjson::MemoryStream const& stream_;
  std::size_t depth_ = 0;
  std::size_t behind_ = 0;  // the last value of the outermost object
  bool in_list_ = false;
  bool only_texts_ = true;
  std::vector<std::string> list_;
};

// The four hexadecimal digits of "\uXXXX" at `at`, which the parser has already accepted.
unsigned code_unit(std::string_view line, std::size_t at) {
  return static_cast<unsigned>(std::stoul(std::string(line.substr(at + 2, 4)), nullptr, 16));
}

// RapidJSON lets a low surrogate without a high one pass: it would become bad UTF-8.
std::size_t find_lone_surrogate(std::string_view line) {
  std::size_t at = line.find('\\');
  while (at != std::string_view::npos) {
    std::size_t length = 2;
    if (line[at + 1] == 'u') {
      unsigned const unit = code_unit(line, at);
      if (unit >= 0xDC00 && unit <= 0xDFFF) return at;
      length = unit >= 0xD800 && unit <= 0xDBFF ? 12 : 6;
    }
    at = line.find('\\', at + length);
  }
  return std::string_view::npos;
}

bool is_not_a_number(std::string_view rest) {
  if (rest.starts_with('-')) rest.remove_prefix(1);
  return rest.starts_with("NaN") || rest.starts_with("nan") || rest.starts_with("Inf") ||
         rest.starts_with("inf");
}

LineFault fault_of(std::string_view line, rapidjson::ParseResult const& result, std::string field) {
  std::size_t const offset = std::min(result.Offset(), line.size());
  std::string_view const rest = line.substr(offset);
  // "-inf" fails behind its sign.
  std::size_t const begin = offset > 0 && line[offset - 1] == '-' ? offset - 1 : offset;
  if (is_not_a_number(rest)) {
    return {std::move(field), "NaN and infinity are no JSON (and no usable value) write a number",
            begin};
  }
  if (result.Code() == rapidjson::kParseErrorNumberTooBig) {
    return {std::move(field), "the number is too large (no double holds it) write a smaller one",
            offset};
  }
  return {std::move(field),
          std::string("not valid JSON (") + rapidjson::GetParseError_En(result.Code()) + ")",
          offset};
}

}  // namespace

ParsedLine parse_line(std::string_view line) {
  if (std::size_t const nul = line.find('\0'); nul != std::string_view::npos) {
    return {{}, {"", "holds a NUL byte (it cannot stand in JSON) remove it", nul}};
  }
  rapidjson::MemoryStream stream(line.data(), line.size());
  Collector collector(line, stream);
  rapidjson::Reader reader;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::ParseResult const result = reader.Parse<flags>(stream, collector);
  ParsedLine parsed{std::move(collector.fields), std::move(collector.fault)};
  if (!result && parsed.fault.text.empty()) {
    bool const in_value = !parsed.fields.empty() && parsed.fields.back().value.source.empty();
    parsed.fault = fault_of(line, result, in_value ? parsed.fields.back().key : "");
  } else if (std::size_t const lone = result ? find_lone_surrogate(line) : std::string_view::npos;
             lone != std::string_view::npos) {
    parsed.fault = {"", "half a surrogate pair (it is no character) write the character itself",
                    lone};
    for (LineField const& field : parsed.fields) {
      if (field.value.offset <= lone) parsed.fault.field = field.key;
    }
  }
  return parsed;
}

std::string compact_json(std::string_view source) {
  std::string out;
  bool in_text = false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    char const c = source[i];
    if (in_text && c == '\\' && i + 1 < source.size()) {
      out += c;
      out += source[++i];
      continue;
    }
    if (c == '"') in_text = !in_text;
    if (in_text || (c != ' ' && c != '\t' && c != '\r' && c != '\n')) out += c;
  }
  return out;
}

}  // namespace ditbatch::manifest
