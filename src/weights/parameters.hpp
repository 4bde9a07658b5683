#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "weights/checkpoint.hpp"
#include "weights/weight_source.hpp"

namespace ditbatch {

/// Where a parameter stands in a component's files.
struct FoundTensor {
  std::string name;                    // as in the file: the spec's, or one of its aliases
  TensorEntry const* entry = nullptr;  // null: nowhere
};
[[nodiscard]] FoundTensor find_tensor(Component const& component, ParameterSpec const& spec);

/// Compares what a model needs with what the headers offer: missing tensors, wrong shapes.
void check_parameters(Component const& component, std::vector<ParameterSpec> const& needed,
                      Problems& problems);

/// Draws parameters from a seed and their names: normal with a deviation of 1 / sqrt(fan-in) for
/// matrices, ones for norm scales, small values for biases. The same on every rank.
[[nodiscard]] std::unique_ptr<WeightSource> random_weights(std::uint64_t seed,
                                                           c10::ScalarType dtype,
                                                           c10::Device device);

}  // namespace ditbatch
