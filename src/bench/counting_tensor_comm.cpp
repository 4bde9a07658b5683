#include "bench/counting_tensor_comm.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "core/trace.hpp"

namespace ditbatch {

namespace {

class ScopedTime {
 public:
  explicit ScopedTime(ExchangeCounts& counts) : counts_(counts), begin_ns_(now_ns()) {}
  ScopedTime(ScopedTime const&) = delete;
  ScopedTime& operator=(ScopedTime const&) = delete;
  ~ScopedTime() { counts_.inside_ns += now_ns() - begin_ns_; }

 private:
  ExchangeCounts& counts_;
  std::int64_t begin_ns_;
};

}  // namespace

CountingTensorComm::CountingTensorComm(std::shared_ptr<TensorComm> comm,
                                       std::uint64_t ExchangeBytes::*received,
                                       ExchangeCounts& counts)
    : comm_(std::move(comm)), received_(received), counts_(counts) {}

std::vector<at::Tensor> CountingTensorComm::all_to_all(
    std::vector<at::Tensor> const& send,
    std::vector<std::vector<std::int64_t>> const& receive_shapes) {
  ScopedTime const call(counts_);
  std::vector<at::Tensor> received = comm_->all_to_all(send, receive_shapes);
  for (std::size_t peer = 0; peer < received.size(); ++peer) {
    if (static_cast<int>(peer) != rank()) counts_.received.*received_ += received[peer].nbytes();
  }
  return received;
}

at::Tensor CountingTensorComm::all_gather_rows(at::Tensor const& local,
                                               std::vector<std::int64_t> const& rows) {
  ScopedTime const call(counts_);
  at::Tensor all = comm_->all_gather_rows(local, rows);
  counts_.received.*received_ += all.nbytes() - local.nbytes();
  return all;
}

at::Tensor CountingTensorComm::broadcast(at::Tensor const& tensor, int root) {
  ScopedTime const call(counts_);
  at::Tensor values = comm_->broadcast(tensor, root);
  if (rank() != root) counts_.received.*received_ += values.nbytes();
  return values;
}

void count_exchanges(MeshComms& comms, ExchangeCounts& counts) {
  auto const wrap = [&](std::shared_ptr<TensorComm>& comm, std::uint64_t ExchangeBytes::*received) {
    if (comm->size() > 1)
      comm = std::make_shared<CountingTensorComm>(std::move(comm), received, counts);
  };
  wrap(comms.replica, &ExchangeBytes::replica);
  wrap(comms.branch, &ExchangeBytes::branch);
  wrap(comms.cfg, &ExchangeBytes::cfg);
  wrap(comms.ring, &ExchangeBytes::ring);
  wrap(comms.ulysses, &ExchangeBytes::ulysses);
}

}  // namespace ditbatch
