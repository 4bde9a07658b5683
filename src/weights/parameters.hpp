#pragma once

#include <string>

#include "weights/checkpoint.hpp"

namespace ditbatch {

/// Where a parameter stands in a component's files.
struct FoundTensor {
  std::string name;                    // as in the file: the spec's, or one of its aliases
  TensorEntry const* entry = nullptr;  // null: nowhere
};
[[nodiscard]] FoundTensor find_tensor(Component const& component, ParameterSpec const& spec);

}  // namespace ditbatch
