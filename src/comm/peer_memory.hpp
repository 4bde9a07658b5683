#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace ditbatch {

/// Memory on the GPU of every rank of a group, mapped into this process by CUDA's inter-process
/// handles.
class PeerMemory {
 public:
  /// Collective over `comm`: `bytes` of zeros on each rank. Null on all ranks where one of them has
  /// no memory left or cannot map another's.
  [[nodiscard]] static std::unique_ptr<PeerMemory> make(MPI_Comm comm, std::size_t bytes);
  PeerMemory(PeerMemory const&) = delete;
  PeerMemory& operator=(PeerMemory const&) = delete;
  ~PeerMemory();

  /// Unmaps the others' memory: before any of them frees it.
  void close() noexcept;
  /// Lets all of it go without freeing or unmapping anything, of a process that is about to end.
  void abandon() noexcept;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Element i is rank i's memory.
  [[nodiscard]] std::vector<std::byte*> const& of_ranks() const { return of_ranks_; }

 private:
  PeerMemory(int ranks, int rank, std::size_t bytes);
  [[nodiscard]] bool open(MPI_Comm comm);

  int rank_;
  std::size_t bytes_;
  std::vector<std::byte*> of_ranks_;  // null where it could not be mapped
};

}  // namespace ditbatch
