#pragma once

#include <c10/core/Device.h>
#include <mpi.h>
#include <nccl.h>

#include <source_location>
#include <string>

#include "comm/tensor_comm.hpp"

namespace ditbatch {

/// CUDA tensors over NCCL, on the current stream of the device.
///
/// The communicator is non-blocking: every call may return ncclInProgress and is polled to its end,
/// so that a peer that never comes is an error after a deadline and not a hang. One thread uses it.
class NcclTensorComm final : public TensorComm {
 public:
  /// Collective over `comm`; its first rank makes the NCCL id.
  NcclTensorComm(MPI_Comm comm, c10::Device device);
  NcclTensorComm(NcclTensorComm const&) = delete;
  NcclTensorComm& operator=(NcclTensorComm const&) = delete;
  /// Collective too: finalises, polls, destroys. While unwinding it aborts instead of waiting.
  ~NcclTensorComm() override;

  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) override;
  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) override;
  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int root) override;
  void abort() noexcept override { (void)ncclCommAbort(comm_); }

 private:
  void finish(ncclResult_t code, char const* what,
              std::source_location where = std::source_location::current()) const;

  ncclComm_t comm_ = nullptr;
  c10::Device device_;
  int size_;
  int rank_;
};

}  // namespace ditbatch
