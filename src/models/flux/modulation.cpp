#include "models/flux/modulation.hpp"

#include <ATen/ATen.h>

namespace ditbatch::flux {

at::Tensor ModulationPlace::vector(at::Tensor const& modulation, std::int64_t index) const {
  return modulation.narrow(1, offset + index * width, width);
}

ops::NormModulation ModulationPlace::norm(at::Tensor const& modulation, std::int64_t shift,
                                          std::int64_t scale) const {
  at::Tensor const shifts = vector(modulation, shift);
  at::Tensor const scales = vector(modulation, scale);
  return {{shifts, shifts}, {scales, scales}};
}

ModulationPlace ModulationLayers::take(WeightSource& source, std::string const& name,
                                       std::int64_t width, std::int64_t vectors) {
  ModulationPlace const place{total_, width};
  layers_.push_back({ops::take_linear(source, name, width, vectors * width), total_});
  total_ += vectors * width;
  return place;
}

at::Tensor ModulationLayers::operator()(at::Tensor const& conditioning) const {
  std::int64_t const rows = conditioning.size(0);
  at::Tensor const all = at::empty({1, rows, total_}, conditioning.options());
  for (Placed const& placed : layers_) {
    std::int64_t const size = placed.layer.weight.size(0);
    placed.layer.into(conditioning.unsqueeze(0), all.narrow(2, placed.offset, size));
  }
  return all.squeeze(0);
}

}  // namespace ditbatch::flux
