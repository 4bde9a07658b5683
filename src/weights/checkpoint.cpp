#include "weights/checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "core/error.hpp"
#include "weights/json_document.hpp"
#include "weights/safetensors.hpp"
#include "weights/safetensors_index.hpp"
#include "weights/weight_sample.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

std::uint64_t Component::weight_bytes() const {
  std::uint64_t total = 0;
  for (auto const& tensor : tensors) total += tensor.second.size_bytes;
  return total;
}

Component const& Checkpoint::component(std::string const& name) const {
  auto const found = components.find(name);
  ensure(found != components.end(), "a checkpoint that was checked has its components");
  return found->second;
}

namespace {

std::vector<std::string> sorted_files(std::string const& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(folder, error))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

bool ends_with(std::string const& text, std::string const& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Picks the index or the single file that holds a component's weights; "" with a problem if there
// is none. Without an infix before variants (`model.fp16.safetensors`), an index before a single
// file.
std::string choose_weight_file(std::string const& folder, Problems& problems) {
  std::vector<std::string> const names = sorted_files(folder);
  std::vector<std::string> indexes, singles, pickles;
  for (std::string const& name : names) {
    if (name.find(".safetensors.index.") != std::string::npos && ends_with(name, ".json"))
      indexes.push_back(name);
    if (ends_with(name, ".safetensors") && name.find("-of-") == std::string::npos)
      singles.push_back(name);
    if (ends_with(name, ".bin") || ends_with(name, ".ckpt") || ends_with(name, ".pt") ||
        ends_with(name, ".pth"))
      pickles.push_back(name);
  }
  auto const by_variant = [](std::string const& a, std::string const& b) {
    auto const dots = [](std::string const& text) {
      return std::count(text.begin(), text.end(), '.');
    };
    return dots(a) != dots(b) ? dots(a) < dots(b) : a < b;
  };
  std::sort(indexes.begin(), indexes.end(), by_variant);
  std::sort(singles.begin(), singles.end(), by_variant);
  if (!indexes.empty()) return folder + "/" + indexes.front();
  if (!singles.empty()) return folder + "/" + singles.front();
  if (!pickles.empty()) {
    problems.add({folder + "/" + pickles.front()}, "",
                 "is refused (pickled weights can run code when they are loaded) convert it: "
                 "save_pretrained(..., safe_serialization=True)");
  } else {
    problems.add({folder}, "",
                 "holds no weights (*.safetensors or *.safetensors.index.json) download them, or "
                 "set [model] random_weights = true");
  }
  return "";
}

void add_tensors(Component& component, SafetensorsHeader const& header, Problems& problems) {
  component.files.push_back(header.path);
  for (auto const& [name, entry] : header.tensors) {
    bool const is_new =
        component.tensors
            .emplace(name, TensorEntry{entry.dtype, entry.shape, component.files.size() - 1,
                                       entry.offset, entry.size_bytes})
            .second;
    if (!is_new)
      problems.add({header.path}, in_quotes(name),
                   "stands in two files (which counts is not defined) fetch the folder again");
  }
}

// Adds a text to the checkpoint's id and to the hash of the component.
using Mix = std::function<void(std::string const&)>;

// Reads the headers of a component and mixes them into the checkpoint's id.
void read_weights(Component& component, Mix const& mix, Problems& problems) {
  std::string const chosen = choose_weight_file(component.folder, problems);
  if (chosen.empty()) return;
  std::map<std::string, std::string> file_of_tensor;
  std::set<std::string> files{fs::path(chosen).filename()};
  bool const has_index = ends_with(chosen, ".json");
  if (has_index) {
    file_of_tensor = read_safetensors_index(chosen, problems);
    files.clear();
    for (auto const& [tensor, file] : file_of_tensor) files.insert(file);
  }
  for (std::string const& file : files) {
    auto const header = read_safetensors_header(component.folder + "/" + file, problems);
    if (!header) continue;
    add_tensors(component, *header, problems);
    mix(component.name + "/" + file + "\n" + std::to_string(header->file_bytes) + "\n" +
        header->text + "\n" + to_hex(sha256(sample_weights(*header, problems))) + "\n");
    for (auto const& [tensor, named_file] : file_of_tensor) {
      if (named_file == file && header->tensors.count(tensor) == 0) {
        problems.add({header->path}, in_quotes(tensor),
                     "missing (" + chosen + " says it is in this file) fetch the folder again");
      }
    }
  }
  for (auto const& [name, entry] : component.tensors) {
    if (has_index && file_of_tensor.count(name) == 0) {
      problems.add({component.files[entry.file]}, in_quotes(name),
                   "is not in " + chosen +
                       " (index and files belong to different versions) fetch the folder again");
    }
  }
}

std::string config_file_of(std::string const& component) {
  if (component.rfind("scheduler", 0) == 0) return "scheduler_config.json";
  if (component.rfind("tokenizer", 0) == 0) return "tokenizer_config.json";
  return "config.json";
}

bool has_weights(std::string const& component) {
  return component.rfind("scheduler", 0) != 0 && component.rfind("tokenizer", 0) != 0;
}

}  // namespace

std::optional<ModelIndex> open_model_index(std::string const& folder, Problems& problems) {
  std::error_code error;
  if (fs::is_regular_file(folder, error)) {
    bool const pickle =
        ends_with(folder, ".ckpt") || ends_with(folder, ".bin") || ends_with(folder, ".pt");
    problems.add({folder}, "model.path",
                 pickle ? "is refused (pickled weights can run code when they are loaded) name a "
                          "diffusers folder with safetensors"
                        : "is a single file (a diffusers folder is needed: configs, tokenizers and "
                          "weights) name the folder that holds model_index.json");
    return std::nullopt;
  }
  std::string const path = folder + "/model_index.json";
  auto document = load_json(path, problems);
  if (!document) return std::nullopt;
  json const& root = document->value;
  if (!root.is_object() || !root.contains("_class_name") || !root["_class_name"].is_string()) {
    problems.add({path, 1, 1}, "_class_name",
                 "missing (it names the pipeline) this is no diffusers folder");
    return std::nullopt;
  }
  std::string const name = root["_class_name"];
  return ModelIndex{folder, name, std::move(*document)};
}

namespace {

// One folder, its texts and headers mixed into the checkpoint's id; none where it cannot be read.
std::optional<Component> open_component(ModelIndex const& index, char const* name,
                                        WeightFiles weight_files, Sha256& id, Problems& problems) {
  json const& root = index.document.value;
  if (!root.contains(name) || !root[name].is_array() || root[name].size() != 2 ||
      !root[name][1].is_string()) {
    problems.add(index.document.position(name), name,
                 "missing (a " + index.pipeline_class + " needs it) fetch the whole folder");
    return std::nullopt;
  }
  Component component;
  component.name = name;
  component.folder = index.folder + "/" + name;
  component.class_name = root[name][1];
  std::error_code error;
  if (!fs::is_directory(component.folder, error)) {
    problems.add({component.folder}, "",
                 "is no folder (model_index.json lists it) fetch the whole folder");
    return std::nullopt;
  }
  std::string const config_path = component.folder + "/" + config_file_of(name);
  if (has_weights(name) || std::string(name) == "scheduler" || fs::exists(config_path, error)) {
    component.config = JsonConfig::load(config_path, problems);
  }
  Sha256 own;
  Mix const mix = [&](std::string const& text) {
    id.update(text);
    own.update(text);
  };
  for (std::string const& file : sorted_files(component.folder)) {
    bool const is_text =
        ends_with(file, ".json") || ends_with(file, ".txt") || ends_with(file, ".model");
    if (!is_text || !fs::is_regular_file(component.folder + "/" + file, error)) continue;
    if (auto const text =
            load_file(component.folder + "/" + file, std::size_t{256} << 20U, problems)) {
      mix(std::string(name) + "/" + file + "\n" + to_hex(sha256(*text)) + "\n");
    }
  }
  if (has_weights(name) && weight_files == WeightFiles::required)
    read_weights(component, mix, problems);
  component.sha256 = own.finish();
  return component;
}

}  // namespace

Checkpoint open_checkpoint(ModelIndex const& index, ComponentList components,
                           WeightFiles weight_files, Problems& problems) {
  Checkpoint checkpoint;
  checkpoint.folder = index.folder;
  checkpoint.pipeline_class = index.pipeline_class;
  Sha256 id;
  for (char const* name : components) {
    if (auto component = open_component(index, name, weight_files, id, problems))
      checkpoint.components.emplace(name, std::move(*component));
  }
  id.update(weight_files == WeightFiles::required ? "weights from files" : "random weights");
  checkpoint.id = id.finish();
  return checkpoint;
}

bool has_all(Checkpoint const& checkpoint, ComponentList components) {
  return std::all_of(components.begin(), components.end(),
                     [&](char const* name) { return checkpoint.has(name); });
}

}  // namespace ditbatch
