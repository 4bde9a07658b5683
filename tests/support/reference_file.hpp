#pragma once

#include <ATen/ATen.h>

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

#include "weights/safetensors.hpp"

namespace ditbatch::test {

/// All tensors of a safetensors file that a reference script wrote.
inline std::map<std::string, at::Tensor> load_references(std::string const& path) {
  Problems problems;
  auto const header = read_safetensors_header(path, problems);
  problems.throw_if_any();
  std::ifstream file(path, std::ios::binary);
  std::map<std::string, at::Tensor> tensors;
  for (auto const& [name, entry] : header->tensors) {
    at::Tensor const tensor =
        at::empty(entry.shape, at::TensorOptions().dtype(parameter_type(entry.dtype).value()));
    file.seekg(static_cast<std::streamoff>(entry.offset));
    file.read(static_cast<char*>(tensor.data_ptr()),
              static_cast<std::streamsize>(entry.size_bytes));
    if (!file) throw std::runtime_error(path + " is cut off");
    tensors[name] = tensor;
  }
  return tensors;
}

/// Largest difference over the largest magnitude of the reference.
inline double relative_difference(at::Tensor const& made, at::Tensor const& reference) {
  at::Tensor const wide = reference.to(at::kDouble);
  return ((made.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

}  // namespace ditbatch::test
