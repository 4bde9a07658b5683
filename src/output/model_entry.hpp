#pragma once

#include <map>
#include <string>
#include <vector>

namespace ditbatch {

/// A model as a shard's attribute `models` lists it, and what made images with it: a copied shard
/// alone says what it came from. What is not known is empty.
struct ModelEntry {
  std::string name;        // what the column `model` says
  std::string family;      // _class_name of its model_index.json
  std::string checkpoint;  // its id, hexadecimal
  std::string dtype;       // as the config says it, "bf16"
  std::string scheduler;   // JSON: class and the values that decide, the checkpoint's and defaults
  struct TextEncoder {
    std::string component;  // "text_encoder_2"
    std::string class_name;
    std::string sha256;  // of what the checkpoint's id has of it
    friend bool operator==(TextEncoder const&, TextEncoder const&) = default;
  };
  std::vector<TextEncoder> text_encoders;
  std::map<std::string, std::string> licence;        // what the model card says: "license", ...
  std::map<std::string, std::string> licence_files;  // file in the model folder -> SHA-256
  std::map<std::string, std::string> software;       // library -> version
  std::string hardware;                              // as the column has it
  std::string driver;                                // the GPU's
  friend bool operator==(ModelEntry const&, ModelEntry const&) = default;
};

/// The name of a model in this folder: the folder's.
[[nodiscard]] std::string name_of_model(std::string const& path);

/// Fills in `licence` and `licence_files` from LICENSE* and README.md of a model folder. A file
/// that cannot be read is left out.
void find_licence(std::string const& folder, ModelEntry& model);

/// The attribute: a JSON list of objects with the names above.
[[nodiscard]] std::string models_json(std::vector<ModelEntry> const& models);

// Of an attribute, by whatever version: other keys, fewer, or names alone.

/// Whether it lists a model of this name. An empty name tells nothing and is no contradiction.
[[nodiscard]] bool lists_model(std::string const& models, std::string const& name);
/// Those entries that have this name, as a JSON list.
[[nodiscard]] std::string entries_of_model(std::string const& models, std::string const& name);
/// Both lists as one, each entry once.
[[nodiscard]] std::string merged_models(std::string const& models, std::string const& others);

}  // namespace ditbatch
