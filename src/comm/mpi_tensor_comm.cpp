#include "comm/mpi_tensor_comm.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace ditbatch {

namespace {

constexpr std::size_t longest_message = std::size_t{1} << 30U;  // MPI counts are int
constexpr int tag = 7;

// Posts non-blocking messages and waits for all of them. Receives and sends of one pair are cut at
// the same places, and MPI keeps their order.
class Messages {
 public:
  explicit Messages(MPI_Comm comm) : comm_(comm) {}
  void send(at::Tensor const& tensor, int rank) {
    auto* bytes = static_cast<char*>(tensor.data_ptr());
    for_pieces(tensor.nbytes(), [&](std::size_t offset, int count) {
      check_mpi(
          MPI_Isend(bytes + offset, count, MPI_BYTE, rank, tag, comm_, &requests_.emplace_back()));
    });
  }
  void receive(at::Tensor const& tensor, int rank) {
    auto* bytes = static_cast<char*>(tensor.data_ptr());
    for_pieces(tensor.nbytes(), [&](std::size_t offset, int count) {
      check_mpi(
          MPI_Irecv(bytes + offset, count, MPI_BYTE, rank, tag, comm_, &requests_.emplace_back()));
    });
  }
  void wait() {
    check_mpi(
        MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE));
  }

 private:
  template <class Post>
  static void for_pieces(std::size_t size_bytes, Post const& post) {
    for (std::size_t offset = 0; offset < size_bytes; offset += longest_message) {
      post(offset, static_cast<int>(std::min(longest_message, size_bytes - offset)));
    }
  }
  MPI_Comm comm_;
  std::vector<MPI_Request> requests_;
};

}  // namespace

MpiTensorComm::MpiTensorComm(UniqueMpiComm comm)
    : comm_(std::move(comm)), size_(size_of(comm_.get())), rank_(rank_of(comm_.get())) {}

std::vector<at::Tensor> MpiTensorComm::all_to_all(
    std::vector<at::Tensor> const& send,
    std::vector<std::vector<std::int64_t>> const& receive_shapes) {
  ensure(send.size() == static_cast<std::size_t>(size_) && receive_shapes.size() == send.size(),
         "an exchange has one piece for each rank");
  std::vector<at::Tensor> received, kept;
  Messages messages(comm_.get());
  for (int peer = 0; peer < size_; ++peer) {
    auto const place = static_cast<std::size_t>(peer);
    if (peer == rank_) {
      received.push_back(send[place]);
      continue;
    }
    received.push_back(at::empty(receive_shapes[place], send[place].options()));
    messages.receive(received.back(), peer);
  }
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    kept.push_back(send[static_cast<std::size_t>(peer)].contiguous());  // alive until the wait
    messages.send(kept.back(), peer);
  }
  messages.wait();
  return received;
}

at::Tensor MpiTensorComm::all_gather_rows(at::Tensor const& local,
                                          std::vector<std::int64_t> const& rows) {
  std::vector<std::int64_t> shape = local.sizes().vec();
  std::int64_t total = 0;
  for (std::int64_t const count : rows) total += count;
  shape[0] = total;
  at::Tensor const all = at::empty(shape, local.options());
  at::Tensor const mine = local.contiguous();
  Messages messages(comm_.get());
  std::int64_t offset = 0;
  for (int peer = 0; peer < size_; ++peer) {
    std::int64_t const count = rows[static_cast<std::size_t>(peer)];
    at::Tensor const piece = all.narrow(0, offset, count);
    if (peer == rank_) {
      piece.copy_(mine);
    } else {
      messages.receive(piece, peer);
      messages.send(mine, peer);
    }
    offset += count;
  }
  messages.wait();
  return all;
}

at::Tensor MpiTensorComm::broadcast(at::Tensor const& tensor, int root) {
  at::Tensor const values =
      rank_ == root ? tensor.contiguous() : at::empty(tensor.sizes(), tensor.options());
  auto* bytes = static_cast<char*>(values.data_ptr());
  for (std::size_t offset = 0; offset < values.nbytes(); offset += longest_message) {
    auto const count = static_cast<int>(std::min(longest_message, values.nbytes() - offset));
    check_mpi(MPI_Bcast(bytes + offset, count, MPI_BYTE, root, comm_.get()));
  }
  return values;
}

}  // namespace ditbatch
