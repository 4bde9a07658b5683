#include "output/model_entry.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/sha256.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// An empty list where it is none.
json list_of(std::string const& models) {
  json list = json_or_discarded(models);
  return list.is_array() ? list : json::array();
}

bool has_name(json const& entry, std::string const& name) {
  if (entry.is_string()) return entry == name;
  return entry.is_object() && entry.contains("name") && entry.at("name") == name;
}

// "license: other" between the first two lines "---" of a model card; quotes are left away.
std::map<std::string, std::string> read_card(std::string const& path) {
  std::map<std::string, std::string> licence;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  if (line.rfind("---", 0) != 0) return licence;
  constexpr int most_lines = 1000;
  for (int i = 0; i < most_lines && std::getline(file, line) && line.rfind("---", 0) != 0; ++i) {
    std::size_t const colon = line.find(':');
    if (line.rfind("license", 0) != 0 || colon == std::string::npos) continue;
    std::size_t const first = line.find_first_not_of(" \t\"'", colon + 1);
    std::size_t const last = line.find_last_not_of(" \t\r\"'");
    if (first != std::string::npos && last >= first)
      licence[line.substr(0, colon)] = line.substr(first, last + 1 - first);
  }
  return licence;
}

}  // namespace

std::string name_of_model(std::string const& path) {
  fs::path folder = fs::path(path).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // of "models/dev/"
  return folder.filename();
}

void find_licence(std::string const& folder, ModelEntry& model) {
  std::error_code none;
  for (auto const& entry : fs::directory_iterator(folder, none)) {
    std::string const name = entry.path().filename();
    bool const is_card = name == "README.md";
    if (!entry.is_regular_file(none) || (!is_card && name.rfind("LICENSE", 0) != 0)) continue;
    if (is_card) model.licence = read_card(entry.path());
    if (is_card && model.licence.empty()) continue;
    try {
      model.licence_files[name] = to_hex(sha256_of_file(entry.path()));
    } catch (Error const&) {
      // A job does not end for want of it.
    }
  }
}

std::string models_json(std::vector<ModelEntry> const& models) {
  json list = json::array();
  for (ModelEntry const& model : models) {
    json entry{{"name", model.name},
               {"family", model.family},
               {"checkpoint", model.checkpoint},
               {"dtype", model.dtype}};
    if (!model.scheduler.empty()) entry["scheduler"] = json_of(model.scheduler);
    for (ModelEntry::TextEncoder const& encoder : model.text_encoders) {
      entry["text_encoders"].push_back({{"component", encoder.component},
                                        {"class", encoder.class_name},
                                        {"sha256", encoder.sha256}});
    }
    if (!model.licence.empty()) entry["licence"] = model.licence;
    if (!model.licence_files.empty()) entry["licence_files"] = model.licence_files;
    if (!model.software.empty()) entry["software"] = model.software;
    if (!model.hardware.empty()) entry["hardware"] = model.hardware;
    if (!model.driver.empty()) entry["driver"] = model.driver;
    list.push_back(std::move(entry));
  }
  return to_text(list);
}

bool lists_model(std::string const& models, std::string const& name) {
  json const list = list_of(models);
  return name.empty() || std::any_of(list.begin(), list.end(),
                                     [&](json const& entry) { return has_name(entry, name); });
}

std::string entries_of_model(std::string const& models, std::string const& name) {
  json found = json::array();
  for (json const& entry : list_of(models)) {
    if (has_name(entry, name)) found.push_back(entry);
  }
  return to_text(found);
}

std::string merged_models(std::string const& models, std::string const& others) {
  json merged = list_of(models);
  for (json const& entry : list_of(others)) {
    if (std::find(merged.begin(), merged.end(), entry) == merged.end()) merged.push_back(entry);
  }
  return to_text(merged);
}

}  // namespace ditbatch
