#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "comm/tensor_comm.hpp"

namespace ditbatch {

/// The group of one rank, for whatever is not split.
class SelfTensorComm : public TensorComm {
 public:
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& /*receive_shapes*/) override {
    return send;
  }
  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& /*rows*/) override {
    return local;
  }
  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int /*root*/) override {
    return tensor;
  }
};

}  // namespace ditbatch
