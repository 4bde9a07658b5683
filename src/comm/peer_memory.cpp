#include "comm/peer_memory.hpp"

#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#include "comm/mpi_comm.hpp"

namespace ditbatch {

namespace {

// A handle stands for a whole allocation of the driver's, which small ones would share.
constexpr std::size_t granularity = std::size_t{2} << 20U;

// Of a call whose failure is an answer and no error.
bool succeeds(cudaError_t code) {
  if (code != cudaSuccess) (void)cudaGetLastError();
  return code == cudaSuccess;
}

struct Offer {
  cudaIpcMemHandle_t handle;
  int is_made;
};

}  // namespace

PeerMemory::PeerMemory(int ranks, int rank, std::size_t bytes)
    : rank_(rank),
      bytes_((bytes + granularity - 1) / granularity * granularity),
      of_ranks_(static_cast<std::size_t>(ranks), nullptr) {}

PeerMemory::~PeerMemory() {
  close();
  (void)cudaFree(of_ranks_[static_cast<std::size_t>(rank_)]);
}

std::unique_ptr<PeerMemory> PeerMemory::make(MPI_Comm comm, std::size_t bytes) {
  std::unique_ptr<PeerMemory> memory(new PeerMemory(size_of(comm), rank_of(comm), bytes));
  int const mine = memory->open(comm) ? 1 : 0;
  int all = 0;
  // comm: branch
  check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, comm));
  if (all == 1) return memory;
  memory->close();
  // comm: branch
  check_mpi(MPI_Barrier(comm));  // freed when nobody has it mapped any more
  return nullptr;
}

bool PeerMemory::open(MPI_Comm comm) {
  Offer mine{};
  void* own = nullptr;
  bool is_given = succeeds(cudaMalloc(&own, bytes_));
  if (!is_given) {  // LibTorch may keep memory that nobody uses
    c10::cuda::CUDACachingAllocator::emptyCache();
    is_given = succeeds(cudaMalloc(&own, bytes_));
  }
  if (is_given) {
    of_ranks_[static_cast<std::size_t>(rank_)] = static_cast<std::byte*>(own);
    mine.is_made = succeeds(cudaMemset(own, 0, bytes_)) && succeeds(cudaDeviceSynchronize()) &&
                   succeeds(cudaIpcGetMemHandle(&mine.handle, own));
  }
  std::vector<Offer> offers(of_ranks_.size());
  // comm: branch
  check_mpi(
      MPI_Allgather(&mine, sizeof mine, MPI_BYTE, offers.data(), sizeof mine, MPI_BYTE, comm));
  auto const is_made = [](Offer const& offer) { return offer.is_made != 0; };
  if (!std::all_of(offers.begin(), offers.end(), is_made)) return false;
  for (std::size_t peer = 0; peer < offers.size(); ++peer) {
    if (peer == static_cast<std::size_t>(rank_)) continue;
    void* theirs = nullptr;
    if (!succeeds(
            cudaIpcOpenMemHandle(&theirs, offers[peer].handle, cudaIpcMemLazyEnablePeerAccess)))
      return false;
    of_ranks_[peer] = static_cast<std::byte*>(theirs);
  }
  return true;
}

void PeerMemory::close() noexcept {
  for (std::size_t peer = 0; peer < of_ranks_.size(); ++peer) {
    if (peer == static_cast<std::size_t>(rank_) || of_ranks_[peer] == nullptr) continue;
    (void)cudaIpcCloseMemHandle(of_ranks_[peer]);
    of_ranks_[peer] = nullptr;
  }
}

void PeerMemory::abandon() noexcept { std::fill(of_ranks_.begin(), of_ranks_.end(), nullptr); }

}  // namespace ditbatch
