#include "weights/json_document.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <cerrno>
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

// Builds the value from parse events, with an explicit stack instead of recursion.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  Builder(rapidjson::MemoryStream const& stream, JsonLimits limits)
      : stream_(stream), limits_(limits) {}

  bool Null() { return put(nullptr); }
  bool Bool(bool value) { return put(value); }
  bool Int(int value) { return put(value); }
  bool Uint(unsigned value) { return put(value); }
  bool Int64(std::int64_t value) { return put(value); }
  bool Uint64(std::uint64_t value) { return put(value); }
  bool Double(double value) { return put(value); }
  bool String(char const* text, rapidjson::SizeType size, bool) {
    return put(std::string(text, size));
  }
  bool StartObject() { return open(json::object()); }
  bool StartArray() { return open(json::array()); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  bool Key(char const* text, rapidjson::SizeType size, bool) {
    keys_.back() = std::string(text, size);
    if (containers_.back().contains(keys_.back())) {
      complaint = "duplicate key " + in_quotes(keys_.back()) +
                  " (which of the two counts is not defined) remove one";
      return false;
    }
    if (keys_.size() == 1) offsets[keys_.back()] = stream_.Tell() + 1;
    if (keys_.size() == 2) offsets[keys_.front() + "/" + keys_.back()] = stream_.Tell() + 1;
    return true;
  }

  json result;
  std::map<std::string, std::size_t> offsets;
  std::string complaint;

 private:
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
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseFullPrecisionFlag |
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
