#pragma once

#include <map>
#include <string>

#include "core/problem.hpp"

namespace ditbatch {

/// The weight map of a model.safetensors.index.json: each tensor and the file beside the index that
/// must hold it. Entries that name no such file are problems and left out.
[[nodiscard]] std::map<std::string, std::string> read_safetensors_index(std::string const& path,
                                                                        Problems& problems);

}  // namespace ditbatch
