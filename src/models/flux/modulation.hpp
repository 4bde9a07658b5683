#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ops/ops.hpp"
#include "ops/token_ops.hpp"

namespace ditbatch::flux {

/// Where a block's vectors stand in a step's modulation (B, all vectors of all blocks).
struct ModulationPlace {
  std::int64_t offset = 0;
  std::int64_t width = 0;
  /// The block's vector `index`: (B, width)
  [[nodiscard]] at::Tensor vector(at::Tensor const& modulation, std::int64_t index) const;
  /// The norm that shifts by vector `shift` and scales by vector `scale`, alike for all rows.
  [[nodiscard]] ops::NormModulation norm(at::Tensor const& modulation, std::int64_t shift,
                                         std::int64_t scale) const;
};

/// The linear layers that turn a step's conditioning into the blocks' shifts, scales and gates.
///
/// They depend on nothing that the blocks compute, so all steps of an image go through them at
/// once: their weights, a quarter of the model, are read once an image instead of once a step.
class ModulationLayers {
 public:
  /// Takes a layer width -> vectors x width.
  [[nodiscard]] ModulationPlace take(WeightSource& source, std::string const& name,
                                     std::int64_t width, std::int64_t vectors);
  /// conditioning (rows, width), SiLU applied -> (rows, all vectors)
  [[nodiscard]] at::Tensor operator()(at::Tensor const& conditioning) const;

 private:
  struct Placed {
    ops::Linear layer;
    std::int64_t offset = 0;
  };
  std::vector<Placed> layers_;
  std::int64_t total_ = 0;
};

}  // namespace ditbatch::flux
