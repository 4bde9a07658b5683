#include "output/model_entry.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

std::string name_of_model(std::string const& path) {
  std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // of "models/dev/"
  return folder.filename();
}

std::string models_json(std::vector<ModelEntry> const& models) {
  nlohmann::json list = nlohmann::json::array();
  for (ModelEntry const& model : models) {
    list.push_back({{"name", model.name},
                    {"family", model.family},
                    {"checkpoint", model.checkpoint},
                    {"dtype", model.dtype}});
  }
  return to_text(list);
}

}  // namespace ditbatch
