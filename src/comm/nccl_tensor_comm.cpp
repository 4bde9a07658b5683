#include "comm/nccl_tensor_comm.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAStream.h>

#include <chrono>
#include <exception>
#include <thread>

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace ditbatch {

namespace {

constexpr auto deadline = std::chrono::seconds(300);

cudaStream_t current_stream(c10::Device device) {
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
}

}  // namespace

// Polls a call of the non-blocking communicator until it is done.
void NcclTensorComm::finish(ncclResult_t code, char const* what, std::source_location where) const {
  auto const begin = std::chrono::steady_clock::now();
  while (code == ncclInProgress && std::chrono::steady_clock::now() - begin < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    ncclResult_t const polled = ncclCommGetAsyncError(comm_, &code);
    if (polled != ncclSuccess) code = polled;
  }
  if (code == ncclSuccess) return;
  throw Error(ExitCode::lost_peer,
              std::string("NCCL failed in ") + what + ": " + ncclGetErrorString(code) + ", " +
                  ncclGetLastError(comm_) + " (" + where.file_name() + ":" +
                  std::to_string(where.line()) + ") look for a rank that ended first");
}

NcclTensorComm::NcclTensorComm(MPI_Comm comm, c10::Device device)
    : device_(device), size_(size_of(comm)), rank_(rank_of(comm)) {
  ncclUniqueId id{};
  if (rank_ == 0) {
    require(ncclGetUniqueId(&id) == ncclSuccess, ExitCode::unhealthy,
            std::string("NCCL makes no id: ") + ncclGetLastError(nullptr) +
                " (the network set-up) run with NCCL_DEBUG=INFO");
  }
  check_mpi(MPI_Bcast(&id, sizeof id, MPI_BYTE, 0, comm));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  finish(ncclCommInitRankConfig(&comm_, size_, id, rank_, &config), "initialisation");
}

NcclTensorComm::~NcclTensorComm() {
  if (comm_ == nullptr) return;
  try {
    if (std::uncaught_exceptions() > 0) {
      (void)ncclCommAbort(comm_);
      return;
    }
    finish(ncclCommFinalize(comm_), "finalisation");
    (void)ncclCommDestroy(comm_);
  } catch (std::exception const& error) {
    log_error(error.what());
  }
}

std::vector<at::Tensor> NcclTensorComm::all_to_all(
    std::vector<at::Tensor> const& send,
    std::vector<std::vector<std::int64_t>> const& receive_shapes) {
  ensure(send.size() == static_cast<std::size_t>(size_) && receive_shapes.size() == send.size(),
         "an exchange has one piece for each rank");
  std::vector<at::Tensor> received, kept;
  for (int peer = 0; peer < size_; ++peer) {
    auto const place = static_cast<std::size_t>(peer);
    received.push_back(peer == rank_ ? send[place]
                                     : at::empty(receive_shapes[place], send[place].options()));
    kept.push_back(peer == rank_ ? send[place] : send[place].contiguous());
  }
  // Empty pieces are left out on both sides alike: sizes are known to sender and receiver.
  cudaStream_t const stream = current_stream(device_);
  (void)ncclGroupStart();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    auto const place = static_cast<std::size_t>(peer);
    if (kept[place].nbytes() > 0) {
      (void)ncclSend(kept[place].data_ptr(), kept[place].nbytes(), ncclChar, peer, comm_, stream);
    }
    if (received[place].nbytes() > 0) {
      (void)ncclRecv(received[place].data_ptr(), received[place].nbytes(), ncclChar, peer, comm_,
                     stream);
    }
  }
  finish(ncclGroupEnd(), "exchange");
  return received;
}

at::Tensor NcclTensorComm::all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) {
  std::vector<std::int64_t> shape = local.sizes().vec();
  shape[0] = 0;
  for (std::int64_t const count : rows) shape[0] += count;
  at::Tensor const all = at::empty(shape, local.options());
  at::Tensor const mine = local.contiguous();
  cudaStream_t const stream = current_stream(device_);
  std::int64_t offset = 0;
  (void)ncclGroupStart();
  for (int peer = 0; peer < size_; ++peer) {
    std::int64_t const count = rows[static_cast<std::size_t>(peer)];
    at::Tensor const piece = all.narrow(0, offset, count);
    offset += count;
    if (peer == rank_) {
      piece.copy_(mine);
      continue;
    }
    if (mine.nbytes() > 0)
      (void)ncclSend(mine.data_ptr(), mine.nbytes(), ncclChar, peer, comm_, stream);
    if (piece.nbytes() > 0)
      (void)ncclRecv(piece.data_ptr(), piece.nbytes(), ncclChar, peer, comm_, stream);
  }
  finish(ncclGroupEnd(), "all-gather");
  return all;
}

at::Tensor NcclTensorComm::broadcast(at::Tensor const& tensor, int root) {
  at::Tensor const values =
      rank_ == root ? tensor.contiguous() : at::empty(tensor.sizes(), tensor.options());
  finish(ncclBroadcast(values.data_ptr(), values.data_ptr(), values.nbytes(), ncclChar, root, comm_,
                       current_stream(device_)),
         "broadcast");
  return values;
}

}  // namespace ditbatch
