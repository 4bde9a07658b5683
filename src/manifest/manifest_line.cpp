#include "manifest/manifest_line.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>

#include "core/problem.hpp"

namespace ditbatch::manifest {

namespace {

constexpr std::size_t deepest = 64;

// Collects the fields of the outermost object; what lies deeper is only measured.
class Collector : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Collector> {
 public:
  Collector(std::string_view line, rapidjson::MemoryStream const& stream) : line_(line), stream_(stream) {}

  bool Null() { return scalar({LineValue::Kind::null}); }
  bool Bool(bool) { return scalar({LineValue::Kind::boolean}); }
  bool Int(int value) { return Int64(value); }
  bool Uint(unsigned value) { return Uint64(value); }
  bool Int64(std::int64_t value) {
    LineValue made{LineValue::Kind::integer};
    made.negative = value < 0;
    made.magnitude = value < 0 ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
    made.number = static_cast<double>(value);
    return scalar(std::move(made));
  }
  bool Uint64(std::uint64_t value) {
    LineValue made{LineValue::Kind::integer};
    made.magnitude = value;
    made.number = static_cast<double>(value);
    return scalar(std::move(made));
  }
  bool Double(double value) {
    LineValue made{LineValue::Kind::number};
    made.number = value;
    return scalar(std::move(made));
  }
  bool String(char const* text, rapidjson::SizeType size, bool) {
    if (depth_ == 2 && in_list_) list_.emplace_back(text, size);
    if (depth_ > 1) return true;
    LineValue made{LineValue::Kind::text};
    made.text.assign(text, size);
    return scalar(std::move(made));
  }
  bool StartObject() {
    if (depth_ == 1) in_list_ = false;
    if (depth_ == 2) ++other_items_;
    return ++depth_ <= deepest || too_deep();
  }
  bool StartArray() {
    if (depth_ == 0) return not_an_object();
    if (depth_ == 1) {
      in_list_ = true;
      list_.clear();
      other_items_ = 0;
    }
    if (depth_ == 2) ++other_items_;
    return ++depth_ <= deepest || too_deep();
  }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  bool Key(char const* text, rapidjson::SizeType size, bool) {
    if (depth_ != 1) return true;
    std::string key(text, size);
    // The stream stands behind the key, on its closing quote or just after.
    std::size_t const begin = line_.rfind('"', std::max<std::size_t>(stream_.Tell(), 2) - 2);
    bool const repeated = std::any_of(fields.begin(), fields.end(), [&](LineField const& field) { return field.key == key; });
    fields.push_back({std::move(key), begin == std::string_view::npos ? 0 : begin, {}});
    if (repeated) {
      fault = fields.back().key + ": given twice (which of the two counts is not defined) remove one";
      fault_offset = fields.back().key_offset;
      return false;
    }
    std::size_t const colon = line_.find(':', stream_.Tell());
    fields.back().value.offset = line_.find_first_not_of(" \t", colon + 1);
    return true;
  }

  std::vector<LineField> fields;
  std::string fault;
  std::size_t fault_offset = 0;

 private:
  bool scalar(LineValue value) {
    if (depth_ == 0) return not_an_object();
    if (depth_ == 2) ++other_items_;
    if (depth_ == 1) finish(std::move(value));
    return true;
  }
  void finish(LineValue value) {
    value.offset = fields.back().value.offset;
    std::size_t const end = stream_.Tell();
    value.source = line_.substr(value.offset, end - value.offset);
    while (!value.source.empty() && std::string_view(" \t,}").find(value.source.back()) != std::string_view::npos &&
           value.kind != LineValue::Kind::other && value.kind != LineValue::Kind::texts) {
      value.source.remove_suffix(1);
    }
    fields.back().value = std::move(value);
  }
  bool close() {
    --depth_;
    if (depth_ != 1) return true;
    LineValue value{LineValue::Kind::other};
    if (in_list_ && other_items_ == 0) {
      value.kind = LineValue::Kind::texts;
      value.texts = std::move(list_);
      list_.clear();
    }
    in_list_ = false;
    finish(std::move(value));
    return true;
  }
  bool too_deep() {
    fault = "nested deeper than " + std::to_string(deepest) + " levels (no record needs that)";
    fault_offset = stream_.Tell();
    return false;
  }
  bool not_an_object() {
    fault = "not a JSON object (a record is {\"id\": ..., \"prompt\": ...})";
    fault_offset = 0;
    return false;
  }

  std::string_view line_;
  rapidjson::MemoryStream const& stream_;
  std::size_t depth_ = 0;
  bool in_list_ = false;
  std::vector<std::string> list_;
  std::size_t other_items_ = 0;  // items of the list that are no texts
};

}  // namespace

ParsedLine parse_line(std::string_view line) {
  rapidjson::MemoryStream stream(line.data(), line.size());
  Collector collector(line, stream);
  rapidjson::Reader reader;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseFullPrecisionFlag;
  rapidjson::ParseResult const result = reader.Parse<flags>(stream, collector);
  ParsedLine parsed{std::move(collector.fields), std::move(collector.fault), collector.fault_offset};
  if (!result && parsed.fault.empty()) {
    parsed.fault = std::string("not valid JSON (") + rapidjson::GetParseError_En(result.Code()) + ")";
    parsed.fault_offset = std::min(result.Offset(), line.size());
  }
  return parsed;
}

}  // namespace ditbatch::manifest
