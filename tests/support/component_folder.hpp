#pragma once

#include <string>

#include "weights/checkpoint.hpp"
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

}  // namespace ditbatch::test
