#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/problem.hpp"
#include "core/sha256.hpp"
#include "weights/json_config.hpp"
#include "weights/json_document.hpp"

namespace ditbatch {

/// Where a tensor's bytes are: a validated entry of a safetensors header.
struct TensorEntry {
  std::string dtype;  // as in the header: "BF16", "F32", ...
  std::vector<std::int64_t> shape;
  std::size_t file = 0;      // index into Component::files
  std::uint64_t offset = 0;  // of the first byte in the file
  std::uint64_t size_bytes = 0;
};

/// One folder of a pipeline: `transformer`, `vae`, `text_encoder`, ...
struct Component {
  std::string name;
  std::string folder;              // absolute
  std::string class_name;          // from model_index.json: "T5EncoderModel"
  JsonConfig config;               // config.json, scheduler_config.json, tokenizer_config.json
  std::vector<std::string> files;  // safetensors, absolute; empty for tokenizers and schedulers
  std::map<std::string, TensorEntry> tensors;
  Sha256Digest sha256{};  // of its part of the checkpoint's id
  [[nodiscard]] std::uint64_t weight_bytes() const;
};

/// A diffusers folder whose headers were read and proven sound; no weights are loaded.
struct Checkpoint {
  std::string folder;          // absolute
  std::string pipeline_class;  // of diffusers, as model_index.json names it
  std::map<std::string, Component> components;
  Sha256Digest id{};  // SHA-256 over sorted (path, size, safetensors header, a sample of every
                      // tensor, JSON files); reads no more weights than that
  [[nodiscard]] Component const& component(std::string const& name) const;
  [[nodiscard]] bool has(std::string const& name) const { return components.count(name) != 0; }
};

/// Whether weights must be there, or config files are enough (`random_weights = true`).
enum class WeightFiles { required, ignored };

/// The model_index.json of a diffusers folder.
struct ModelIndex {
  std::string folder;
  std::string pipeline_class;
  JsonDocument document;
  [[nodiscard]] Position class_position() const { return document.position("_class_name"); }
};
[[nodiscard]] std::optional<ModelIndex> open_model_index(std::string const& folder,
                                                         Problems& problems);

/// The folders that a pipeline class needs, in the order in which they count in a checkpoint's id.
using ComponentList = std::span<char const* const>;

/// Reads the configs and the safetensors headers of these components. Every problem of every file
/// is added to `problems`; what could be read is returned.
[[nodiscard]] Checkpoint open_checkpoint(ModelIndex const& index, ComponentList components,
                                         WeightFiles weight_files, Problems& problems);
[[nodiscard]] bool has_all(Checkpoint const& checkpoint, ComponentList components);

}  // namespace ditbatch
