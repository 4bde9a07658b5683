#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace ditbatch {

/// A tensor that a model cannot do without: its name in the checkpoint and its shape.
/// `check` compares a model's specs with the files' headers, loading goes through them, and random
/// weights are drawn for them.
struct ParameterSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<std::string> aliases = {};  // names the same tensor goes by in older or newer files
  std::optional<c10::ScalarType> dtype = {};  // where it is not the source's
};

/// Where a model takes its parameters from while it is built.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// The parameter as a contiguous tensor on the source's device, in the spec's dtype or else the
  /// source's. Throws BadInput where name or shape do not fit.
  [[nodiscard]] virtual at::Tensor take(ParameterSpec const& spec) = 0;

 protected:
  WeightSource() = default;
  WeightSource(WeightSource const&) = default;
  WeightSource& operator=(WeightSource const&) = default;
};

/// Writes down what a model asks for while it is built, and hands it tensors without storage
/// (device "meta"). So a model's constructor is the only list of its parameters there is.
class ParameterRecorder final : public WeightSource {
 public:
  /// `dtype` counts where a spec names none: what a model asks for can depend on it.
  explicit ParameterRecorder(c10::ScalarType dtype) : dtype_(dtype) {}
  [[nodiscard]] at::Tensor take(ParameterSpec const& spec) override;
  [[nodiscard]] std::vector<ParameterSpec> const& specs() const { return specs_; }

 private:
  c10::ScalarType dtype_;
  std::vector<ParameterSpec> specs_;
};

/// What `Model(config, source)` takes from a source of this dtype.
template <class Model, class Config>
[[nodiscard]] std::vector<ParameterSpec> parameters_of(Config const& config,
                                                       c10::ScalarType dtype) {
  ParameterRecorder recorder(dtype);
  Model const model(config, recorder);
  return recorder.specs();
}

}  // namespace ditbatch
