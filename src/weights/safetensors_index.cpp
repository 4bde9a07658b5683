#include "weights/safetensors_index.hpp"

#include "core/json_text.hpp"
#include "weights/json_document.hpp"

namespace ditbatch {

using nlohmann::json;

std::map<std::string, std::string> read_safetensors_index(std::string const& path,
                                                          Problems& problems) {
  std::map<std::string, std::string> file_of_tensor;
  auto const document = load_json(path, problems);
  if (!document) return file_of_tensor;
  json const& root = document->value;
  if (!root.is_object() || !root.contains("weight_map") || !root["weight_map"].is_object()) {
    problems.add({path}, "weight_map",
                 "missing (an index names a file for each tensor) fetch the index again");
    return file_of_tensor;
  }
  std::size_t faults = 0;
  for (auto const& [tensor, file] : root["weight_map"].items()) {
    bool const is_beside = file.is_string() &&
                           file.get_ref<std::string const&>().find('/') == std::string::npos &&
                           file.get_ref<std::string const&>().ends_with(".safetensors");
    if (!is_beside) {
      problems.add(document->position("weight_map/" + tensor), "weight_map",
                   "not usable: " + in_quotes(to_text(file)) + " for " + in_quotes(tensor) +
                       " (must be a safetensors file beside the index)");
      if (++faults == most_faults) break;
      continue;
    }
    file_of_tensor[tensor] = file;
  }
  return file_of_tensor;
}

}  // namespace ditbatch
