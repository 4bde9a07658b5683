#include "comm/peer_group.hpp"

#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <stdexcept>
#include <utility>

#include "comm/cuda_device.hpp"
#include "comm/peer_memory.hpp"
#include "core/error.hpp"

namespace ditbatch {

namespace {

// A rank's signals: a counter for each rank, then what its own exchanges count with.
constexpr std::size_t exchanges_offset = max_peers * sizeof(std::uint64_t);
constexpr std::size_t blocks_offset = exchanges_offset + sizeof(std::uint64_t);
constexpr std::size_t trial_offset = blocks_offset + sizeof(std::uint64_t);
constexpr std::size_t signal_bytes = trial_offset + max_peers * sizeof(std::uint64_t);

bool are_on_one_host(MPI_Comm comm) {
  MPI_Comm host = MPI_COMM_NULL;
  // comm: branch
  check_mpi(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host));
  UniqueMpiComm const on_host(host);
  int const mine = size_of(on_host.get()) == size_of(comm) ? 1 : 0;
  int all = 0;
  // comm: branch
  check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, comm));
  return all == 1;
}

}  // namespace

std::unique_ptr<PeerGroup> PeerGroup::make(UniqueMpiComm comm, c10::Device device) {
  int const size = size_of(comm.get());
  if (size == 1 || size > max_peers || !device.is_cuda() || !are_on_one_host(comm.get()))
    return nullptr;
  std::unique_ptr<PeerGroup> group(new PeerGroup(std::move(comm), device));
  return group->works() ? std::move(group) : nullptr;
}

PeerGroup::PeerGroup(UniqueMpiComm comm, c10::Device device)
    : comm_(std::move(comm)), device_(device) {
  signals_.ranks = size_of(comm_.get());
  signals_.rank = rank_of(comm_.get());
}

PeerGroup::~PeerGroup() {
  auto const of_all_memory = [this](void (PeerMemory::*act)() noexcept) {
    if (signal_memory_) (signal_memory_.get()->*act)();
    for (auto const& arena : arenas_) {
      for (auto const& memory : arena) (memory.get()->*act)();
    }
  };
  if (std::uncaught_exceptions() > 0) {
    if (given_up_ != nullptr) abort();
    of_all_memory(&PeerMemory::abandon);
    return;
  }
  (void)cudaDeviceSynchronize();
  of_all_memory(&PeerMemory::close);
  // comm: branch
  (void)MPI_Barrier(comm_.get());  // nobody frees what another rank has still mapped
  (void)cudaFreeHost(given_up_);
}

void PeerGroup::start_over() {
  c10::cuda::CUDAGuard const on_device(device_);
  check_cuda(cudaDeviceSynchronize());
  // comm: branch
  check_mpi(MPI_Barrier(comm_.get()));
  check_cuda(cudaMemset(signals_.arrived[rank()], 0, trial_offset));
  check_cuda(cudaDeviceSynchronize());
  // comm: branch
  check_mpi(MPI_Barrier(comm_.get()));
}

// Every rank copies its number to every other, and looks for theirs.
bool PeerGroup::works() {
  c10::cuda::CUDAGuard const on_device(device_);
  // comm: branch
  signal_memory_ = PeerMemory::make(comm_.get(), signal_bytes);
  if (!signal_memory_) return false;
  std::vector<std::byte*> const& of_ranks = signal_memory_->of_ranks();
  std::byte* const own = of_ranks[static_cast<std::size_t>(rank())];
  for (int peer = 0; peer < size(); ++peer)
    signals_.arrived[peer] =
        reinterpret_cast<std::uint64_t*>(of_ranks[static_cast<std::size_t>(peer)]);
  signals_.exchanges = reinterpret_cast<std::uint64_t*>(own + exchanges_offset);
  signals_.finished_blocks = reinterpret_cast<unsigned*>(own + blocks_offset);
  void* given_up = nullptr;
  check_cuda(cudaHostAlloc(&given_up, sizeof *given_up_, cudaHostAllocMapped));
  given_up_ = static_cast<std::uint64_t*>(given_up);
  *given_up_ = 0;
  signals_.given_up = given_up_;

  std::uint64_t const sent = static_cast<std::uint64_t>(rank()) + 1;
  int mine = 1;
  for (std::byte* const memory : of_ranks) {
    std::byte* const to = memory + trial_offset + static_cast<std::size_t>(rank()) * sizeof sent;
    if (cudaMemcpy(to, &sent, sizeof sent, cudaMemcpyDefault) != cudaSuccess) mine = 0;
  }
  if (cudaDeviceSynchronize() != cudaSuccess) mine = 0;  // small copies return before they arrive
  // comm: branch
  check_mpi(MPI_Barrier(comm_.get()));
  std::vector<std::uint64_t> found(static_cast<std::size_t>(size()));
  if (cudaMemcpy(found.data(), own + trial_offset, found.size() * sizeof sent, cudaMemcpyDefault) !=
      cudaSuccess)
    mine = 0;
  (void)cudaGetLastError();
  for (std::size_t peer = 0; peer < found.size(); ++peer) {
    if (found[peer] != peer + 1) mine = 0;
  }
  int all = 0;
  // comm: branch
  check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, comm_.get()));
  return all == 1;
}

std::vector<std::byte*> PeerGroup::memory(Arena arena, std::size_t bytes) {
  auto& made = arenas_[static_cast<std::size_t>(arena)];
  if (made.empty() || made.back()->bytes() < bytes) {
    c10::cuda::CUDAGuard const on_device(device_);
    // By halves, so that the sizes of a data set do not add up: old memory stays.
    std::size_t const grown = made.empty() ? 0 : made.back()->bytes() * 3 / 2;
    // comm: branch
    auto larger = PeerMemory::make(comm_.get(), std::max(bytes, grown));
    if (larger == nullptr)
      throw std::runtime_error("ranks that write to each other's GPUs have no " +
                               std::to_string(bytes) +
                               " bytes for it (the memory of a GPU is full) make smaller batches, "
                               "or set runtime.peer_memory = false");
    made.push_back(std::move(larger));
  }
  return made.back()->of_ranks();
}

PeerSignals PeerGroup::signals_for(std::string const& name) const {
  PeerSignals signals = signals_;
  if (mark_) signals.mark = mark_(name);
  return signals;
}

void PeerGroup::abort() noexcept { std::atomic_ref<std::uint64_t>(*given_up_).store(1); }

}  // namespace ditbatch
