#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "comm/tensor_comm.hpp"
#include "families/exchange_bytes.hpp"

namespace ditbatch {

/// What a rank's collectives did since the counts were last set to zero.
struct ExchangeCounts {
  ExchangeBytes received;
  std::int64_t inside_ns = 0;  // of the host: on a CPU rank the whole exchange, waiting included
};

/// Counts what comes from other ranks, and leaves the work to another TensorComm.
class CountingTensorComm final : public TensorComm {
 public:
  /// `received` is the member of `counts` that belongs to the comm's mesh dimension.
  CountingTensorComm(std::shared_ptr<TensorComm> comm, std::uint64_t ExchangeBytes::*received,
                     ExchangeCounts& counts);

  [[nodiscard]] int size() const override { return comm_->size(); }
  [[nodiscard]] int rank() const override { return comm_->rank(); }
  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) override;
  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) override;
  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int root) override;
  void abort() noexcept override { comm_->abort(); }

 private:
  std::shared_ptr<TensorComm> comm_;
  std::uint64_t ExchangeBytes::*received_;
  ExchangeCounts& counts_;
};

/// Wraps every group of more than one rank. `counts` must outlive the communicators.
void count_exchanges(MeshComms& comms, ExchangeCounts& counts);

}  // namespace ditbatch
