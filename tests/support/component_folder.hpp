#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <memory>
#include <string>

#include "comm/self_tensor_comm.hpp"
#include "weights/checkpoint.hpp"
#include "weights/load_weights.hpp"
#include "weights/safetensors.hpp"

namespace ditbatch::test {

/// One folder of a pipeline, alone: its config.json and one file of weights.
inline Component open_component(std::string const& folder, std::string const& weight_file) {
  Problems problems;
  Component component;
  component.folder = folder;
  component.config = JsonConfig::load(folder + "/config.json", problems);
  auto const header = read_safetensors_header(folder + "/" + weight_file, problems);
  problems.throw_if_any();
  component.files.push_back(header->path);
  for (auto const& [name, entry] : header->tensors) {
    component.tensors[name] = {entry.dtype, entry.shape, 0, entry.offset, entry.size_bytes};
  }
  return component;
}

/// What `Model(config, source)` takes of the component, loaded by one rank.
template <class Model, class Config>
[[nodiscard]] std::unique_ptr<WeightSource> weights_for(Component const& component,
                                                        Config const& config, c10::ScalarType dtype,
                                                        c10::Device device) {
  SelfTensorComm alone;
  return load_weights(component, parameters_of<Model>(config, dtype), dtype, device, alone).source;
}

}  // namespace ditbatch::test
