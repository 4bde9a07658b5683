#pragma once

#include <cstdint>
#include <vector>

namespace at {
class Tensor;
}

namespace ditbatch {

/// Data movement between the ranks of one mesh dimension. It never computes, so it never changes
/// bits.
///
/// Every rank of the group must make the same calls in the same order with matching shapes, or the
/// group deadlocks. Tensors are contiguous and live on the comm's device (CPU: MPI, CUDA: NCCL on
/// the current stream). A group of one rank copies nothing.
class TensorComm {
 public:
  virtual ~TensorComm() = default;

  [[nodiscard]] virtual int size() const = 0;
  [[nodiscard]] virtual int rank() const = 0;

  /// send[i] goes to rank i; element i of the result came from rank i and has shape
  /// receive_shapes[i]. Pieces may be uneven or empty. All have one dtype.
  [[nodiscard]] virtual std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) = 0;

  /// (rows[rank], ...) on each rank -> (sum of rows, ...) on all, in the order of ranks.
  [[nodiscard]] virtual at::Tensor all_gather_rows(at::Tensor const& local,
                                                   std::vector<std::int64_t> const& rows) = 0;

  /// The root's values on every rank; `tensor` gives shape and dtype elsewhere.
  [[nodiscard]] virtual at::Tensor broadcast(at::Tensor const& tensor, int root) = 0;

  /// Frees whoever waits in a collective of a job that is lost; the only call from another thread.
  /// What this rank computes afterwards is wrong: it has to end.
  virtual void abort() noexcept {}

 protected:
  TensorComm() = default;
  TensorComm(TensorComm const&) = default;
  TensorComm& operator=(TensorComm const&) = default;
};

}  // namespace ditbatch
