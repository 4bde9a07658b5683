#pragma once

#include "comm/mpi_comm.hpp"
#include "comm/tensor_comm.hpp"

namespace ditbatch {

/// CPU tensors over MPI, as plain bytes.
class MpiTensorComm final : public TensorComm {
 public:
  explicit MpiTensorComm(UniqueMpiComm comm);
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) override;
  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) override;
  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int root) override;

 private:
  UniqueMpiComm comm_;
  int size_;
  int rank_;
};

}  // namespace ditbatch
