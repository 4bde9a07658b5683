// Parameters against header entries, and parameters out of a seed.
#include "weights/parameters.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "weights/safetensors.hpp"

namespace ditbatch {

namespace {

std::string shape_text(std::vector<std::int64_t> const& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + ")";
}

// Older files keep linear layers of the VAE's attention as 1x1 convolutions: (C, C, 1, 1).
bool same_shape(std::vector<std::int64_t> stored, std::vector<std::int64_t> const& needed) {
  while (stored.size() > needed.size() && stored.back() == 1) stored.pop_back();
  return stored == needed;
}

void check_parameter(Component const& component, ParameterSpec const& spec, Problems& problems) {
  FoundTensor const found = find_tensor(component, spec);
  if (found.entry == nullptr) {
    std::vector<std::string_view> known;
    for (auto const& [name, entry] : component.tensors) known.push_back(name);
    std::string const near = nearest_name(spec.name, known);
    problems.add({component.folder}, spec.name,
                 "missing from the weights (config.json asks for " + shape_text(spec.shape) + ")" +
                     (near.empty() ? " config and weights do not belong together"
                                   : " the nearest name there is " + in_quotes(near)));
    return;
  }
  std::string const& file = component.files[found.entry->file];
  if (!same_shape(found.entry->shape, spec.shape)) {
    problems.add({file}, found.name,
                 "has shape " + shape_text(found.entry->shape) + " (config.json asks for " +
                     shape_text(spec.shape) + ") config and weights do not belong together");
  } else if (!parameter_type(found.entry->dtype)) {
    problems.add({file}, found.name,
                 "has dtype " + found.entry->dtype +
                     " (parameters must be F32, BF16, F16 or F64) convert the weights");
  }
}

class RandomWeights final : public WeightSource {
 public:
  RandomWeights(std::uint64_t seed, c10::ScalarType dtype, c10::Device device)
      : seed_(seed), dtype_(dtype), device_(device) {}

  [[nodiscard]] at::Tensor take(ParameterSpec const& spec) override {
    auto const options = at::TensorOptions().dtype(spec.dtype.value_or(dtype_)).device(device_);
    bool const is_weight =
        spec.name.size() > 6 && spec.name.rfind("weight") == spec.name.size() - 6;
    if (spec.shape.size() < 2) {
      return is_weight ? at::ones(spec.shape, options) : at::zeros(spec.shape, options);
    }
    std::int64_t fan_in = 1;
    for (std::size_t i = 1; i < spec.shape.size(); ++i) fan_in *= spec.shape[i];
    // Each tensor has a seed of its own, so that the order of construction does not matter.
    at::Generator generator = at::globalContext().defaultGenerator(device_).clone();
    generator.set_current_seed(first_u64(sha256(std::to_string(seed_) + " " + spec.name)));
    at::Tensor const drawn = at::empty(spec.shape, options);
    return drawn.normal_(0.0, 1.0 / std::sqrt(static_cast<double>(fan_in)), generator);
  }

 private:
  std::uint64_t seed_;
  c10::ScalarType dtype_;
  c10::Device device_;
};

}  // namespace

FoundTensor find_tensor(Component const& component, ParameterSpec const& spec) {
  std::vector<std::string> names{spec.name};
  names.insert(names.end(), spec.aliases.begin(), spec.aliases.end());
  for (std::string const& name : names) {
    auto const found = component.tensors.find(name);
    if (found != component.tensors.end()) return {name, &found->second};
  }
  return {};
}

void check_parameters(Component const& component, std::vector<ParameterSpec> const& needed,
                      Problems& problems) {
  for (ParameterSpec const& spec : needed) check_parameter(component, spec, problems);
}

std::unique_ptr<WeightSource> random_weights(std::uint64_t seed, c10::ScalarType dtype,
                                             c10::Device device) {
  return std::make_unique<RandomWeights>(seed, dtype, device);
}

}  // namespace ditbatch
