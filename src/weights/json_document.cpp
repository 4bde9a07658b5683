#include "weights/json_document.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "core/utf8.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// Of keys with longer ones around them no place is kept: it would hold the outer one millions of
// times.
constexpr std::size_t longest_outer_key = 64;

// Builds the value from parse events, with an explicit stack instead of recursion.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  Builder(rapidjson::MemoryStream const& stream, JsonLimits limits)
      : stream_(stream), limits_(limits) {}

  bool Null() { return put(nullptr); }
  bool Bool(bool value) { return put(value); }
  // As text: RapidJSON's own conversion has undefined behaviour for some zeros.
  bool RawNumber(char const* text, rapidjson::SizeType size, bool) {
    return put_number({text, size});
  }
  bool String(char const* text, rapidjson::SizeType size, bool) {
    return is_unicode({text, size}) && put(std::string(text, size));
  }
  bool StartObject() { return open(json::object()); }
  bool StartArray() { return open(json::array()); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  bool Key(char const* text, rapidjson::SizeType size, bool) {
    if (!is_unicode({text, size})) return false;
    keys_.back() = std::string(text, size);
    if (containers_.back().contains(keys_.back())) {
      complaint = "duplicate key " + in_quotes(keys_.back()) +
                  " (which of the two counts is not defined) remove one";
      return false;
    }
    if (keys_.size() == 1) offsets[keys_.back()] = stream_.Tell() + 1;
    if (keys_.size() == 2 && keys_.front().size() <= longest_outer_key)
      offsets[keys_.front() + "/" + keys_.back()] = stream_.Tell() + 1;
    return true;
  }

  json result;
  std::map<std::string, std::size_t> offsets;
  std::string complaint;

 private:
  // An escape can name half a surrogate pair; RapidJSON passes it on as bytes that are no UTF-8.
  bool is_unicode(std::string_view text) {
    if (find_bad_utf8(text) == std::string_view::npos) return true;
    complaint =
        "half a surrogate pair (\\ud800 to \\udfff come in pairs) write the whole character";
    return false;
  }
  bool put_number(std::string_view text) {
    char const* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == std::string_view::npos) {
      std::uint64_t whole = 0;
      std::int64_t negative = 0;
      if (std::from_chars(text.data(), end, whole).ec == std::errc()) return put(whole);
      if (std::from_chars(text.data(), end, negative).ec == std::errc()) return put(negative);
    }
    double number = 0;
    if (std::from_chars(text.data(), end, number).ec == std::errc()) return put(number);
    complaint = "not a usable number (no double holds it) write a nearer one";
    return false;
  }
  bool put(json value) {
    if (containers_.empty()) {
      result = std::move(value);
    } else if (containers_.back().is_object()) {
      containers_.back()[keys_.back()] = std::move(value);
    } else {
      containers_.back().push_back(std::move(value));
    }
    return true;
  }
  bool open(json container) {
    if (containers_.size() >= limits_.depth) {
      complaint = "nested deeper than " + std::to_string(limits_.depth) +
                  " levels (no such file needs that) look at how it was made";
      return false;
    }
    containers_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    json done = std::move(containers_.back());
    containers_.pop_back();
    keys_.pop_back();
    return put(std::move(done));
  }

  rapidjson::MemoryStream const& stream_;
  JsonLimits limits_;
  std::vector<json> containers_;
  std::vector<std::string> keys_;
};

std::size_t skip_to_value(std::string const& text, std::size_t offset) {
  std::size_t const value = text.find_first_not_of(" \t\r\n:", offset);
  return value == std::string::npos ? offset : value;
}

}  // namespace

Position JsonDocument::position(std::string const& key) const {
  auto const found = offsets.find(key);
  return found == offsets.end() ? Position{path} : position_of(path, text, found->second);
}

std::optional<std::string> load_file(std::string const& path, std::size_t limit_bytes,
                                     Problems& problems) {
  std::error_code error;
  auto const status = std::filesystem::status(path, error);
  if (error || !std::filesystem::exists(status)) {
    problems.add(
        {path}, "",
        "cannot be read (" + (error ? error.message() : "no such file") + ") check the path");
    return std::nullopt;
  }
  if (!std::filesystem::is_regular_file(status)) {
    problems.add({path}, "", "is not a regular file (a folder, pipe or device) name a file");
    return std::nullopt;
  }
  auto const size = std::filesystem::file_size(path, error);
  if (error || size > limit_bytes) {
    problems.add({path}, "",
                 "is too large (" + std::to_string(size) + " bytes, at most " +
                     std::to_string(limit_bytes) + " are read) check that this is the right file");
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(size))) {
    problems.add(
        {path}, "",
        "cannot be read (" + std::string(std::strerror(errno)) + ") check its permissions");
    return std::nullopt;
  }
  return text;
}

std::optional<JsonDocument> parse_json(std::string path, std::string text, Problems& problems,
                                       JsonLimits limits) {
  if (std::size_t const bad = find_bad_utf8(text); bad != std::string::npos) {
    problems.add(position_of(path, text, bad), "",
                 "bad UTF-8 (JSON must be UTF-8) save it as UTF-8");
    return std::nullopt;
  }
  rapidjson::MemoryStream stream(text.data(), text.size());
  Builder builder(stream, limits);
  rapidjson::Reader reader;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                             rapidjson::kParseNumbersAsStringsFlag |
                             rapidjson::kParseValidateEncodingFlag;
  rapidjson::ParseResult const parsed = reader.Parse<flags>(stream, builder);
  if (!parsed) {
    std::string const why =
        builder.complaint.empty()
            ? std::string("not valid JSON (") + rapidjson::GetParseError_En(parsed.Code()) + ")"
            : builder.complaint;
    problems.add(position_of(path, text, parsed.Offset()), "", why);
    return std::nullopt;
  }
  for (auto& [key, offset] : builder.offsets) offset = skip_to_value(text, offset);
  return JsonDocument{std::move(path), std::move(text), std::move(builder.result),
                      std::move(builder.offsets)};
}

std::optional<JsonDocument> load_json(std::string const& path, Problems& problems,
                                      JsonLimits limits) {
  auto text = load_file(path, limits.size_bytes, problems);
  if (!text) return std::nullopt;
  return parse_json(path, std::move(*text), problems, limits);
}

}  // namespace ditbatch
