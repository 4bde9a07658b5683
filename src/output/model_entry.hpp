#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// A model as a shard's attribute `models` lists it. What is not known is empty.
struct ModelEntry {
  std::string name;        // what the column `model` says
  std::string family;      // _class_name of its model_index.json
  std::string checkpoint;  // its id, hexadecimal
  std::string dtype;       // as the config says it, "bf16"
  friend bool operator==(ModelEntry const&, ModelEntry const&) = default;
};

/// The name of a model in this folder: the folder's.
[[nodiscard]] std::string name_of_model(std::string const& path);

/// The attribute: a JSON list of {name, family, checkpoint, dtype}.
[[nodiscard]] std::string models_json(std::vector<ModelEntry> const& models);

}  // namespace ditbatch
