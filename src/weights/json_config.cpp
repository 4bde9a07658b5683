#include "weights/json_config.hpp"

#include <cmath>

#include "core/json_text.hpp"
#include "weights/json_document.hpp"

namespace ditbatch {

using nlohmann::json;

struct JsonConfig::Document {
  JsonDocument json;
};

JsonConfig::JsonConfig()
    : document_(std::make_shared<Document>(Document{JsonDocument{"", "", json::object(), {}}})) {}
JsonConfig::JsonConfig(JsonConfig const&) = default;
JsonConfig::JsonConfig(JsonConfig&&) noexcept = default;
JsonConfig& JsonConfig::operator=(JsonConfig const&) = default;
JsonConfig& JsonConfig::operator=(JsonConfig&&) noexcept = default;
JsonConfig::~JsonConfig() = default;

namespace {

// The document, or an empty one for the same path where there is a problem.
JsonDocument object_or_empty(std::optional<JsonDocument> parsed, std::string const& path,
                             Problems& problems) {
  if (parsed && !parsed->value.is_object()) {
    problems.add(
        {path, 1, 1}, "",
        std::string("not a JSON object (but ") + parsed->value.type_name() + ") check the file");
    parsed.reset();
  }
  return parsed ? std::move(*parsed) : JsonDocument{path, "", json::object(), {}};
}

}  // namespace

JsonConfig JsonConfig::load(std::string const& path, Problems& problems) {
  JsonConfig config;
  config.document_ = std::make_shared<Document>(
      Document{object_or_empty(load_json(path, problems), path, problems)});
  return config;
}

JsonConfig JsonConfig::parse(std::string const& path, std::string const& text, Problems& problems) {
  JsonConfig config;
  config.document_ = std::make_shared<Document>(
      Document{object_or_empty(parse_json(path, text, problems), path, problems)});
  return config;
}

std::string const& JsonConfig::path() const { return document_->json.path; }

bool JsonConfig::has(std::string const& key) const {
  auto const& object = document_->json.value;
  auto const found = object.find(key);
  return found != object.end() && !found->is_null();
}

void JsonConfig::add_problem(std::string const& key, std::string const& text,
                             Problems& problems) const {
  problems.add(document_->json.position(key), key, text);
}

std::int64_t JsonConfig::get_int(std::string const& key, std::int64_t fallback, Problems& problems,
                                 IntRange range) const {
  if (!has(key)) return fallback;
  json const& value = document_->json.value.at(key);
  bool const fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX) &&
                    value.get<std::int64_t>() >= range.least &&
                    value.get<std::int64_t>() <= range.most;
  if (fits) return value.get<std::int64_t>();
  add_problem(key,
              "not usable: " + in_quotes(to_text(value)) + " (must be a whole number from " +
                  std::to_string(range.least) + " to " + std::to_string(range.most) + ")",
              problems);
  return fallback;
}

double JsonConfig::get_double(std::string const& key, double fallback, Problems& problems) const {
  if (!has(key)) return fallback;
  json const& value = document_->json.value.at(key);
  if (value.is_number() && std::isfinite(value.get<double>())) return value.get<double>();
  add_problem(key, "not usable: " + in_quotes(to_text(value)) + " (must be a number)", problems);
  return fallback;
}

bool JsonConfig::get_bool(std::string const& key, bool fallback, Problems& problems) const {
  if (!has(key)) return fallback;
  json const& value = document_->json.value.at(key);
  if (value.is_boolean()) return value.get<bool>();
  add_problem(key, "not usable: " + in_quotes(to_text(value)) + " (must be true or false)",
              problems);
  return fallback;
}

std::string JsonConfig::get_string(std::string const& key, std::string const& fallback,
                                   Problems& problems) const {
  if (!has(key)) return fallback;
  json const& value = document_->json.value.at(key);
  if (value.is_string()) return value.get<std::string>();
  add_problem(key, "not usable: " + in_quotes(to_text(value)) + " (must be a text)", problems);
  return fallback;
}

std::vector<std::int64_t> JsonConfig::get_ints(std::string const& key,
                                               std::vector<std::int64_t> const& fallback,
                                               Problems& problems, IntRange range) const {
  if (!has(key)) return fallback;
  json const& value = document_->json.value.at(key);
  std::vector<std::int64_t> numbers;
  bool good = value.is_array() && value.size() <= 64;
  for (std::size_t i = 0; good && i < value.size(); ++i) {
    good = value[i].is_number_integer() && value[i].get<std::int64_t>() >= range.least &&
           value[i].get<std::int64_t>() <= range.most;
    if (good) numbers.push_back(value[i].get<std::int64_t>());
  }
  if (good) return numbers;
  add_problem(key,
              "not usable: " + in_quotes(to_text(value)) +
                  " (must be a list of at most 64 whole numbers from " +
                  std::to_string(range.least) + " to " + std::to_string(range.most) + ")",
              problems);
  return fallback;
}

std::vector<std::string> JsonConfig::get_strings(std::string const& key,
                                                 std::vector<std::string> const& fallback,
                                                 Problems& problems) const {
  if (!has(key)) return fallback;
  json const& value = document_->json.value.at(key);
  std::vector<std::string> texts;
  bool good = value.is_array() && value.size() <= 64;
  for (std::size_t i = 0; good && i < value.size(); ++i) {
    good = value[i].is_string();
    if (good) texts.push_back(value[i].get<std::string>());
  }
  if (good) return texts;
  add_problem(key, "not usable: " + in_quotes(to_text(value)) + " (must be a list of texts)",
              problems);
  return fallback;
}

}  // namespace ditbatch
