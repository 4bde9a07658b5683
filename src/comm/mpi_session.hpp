#pragma once

#include <mpi.h>

#include <functional>
#include <string>

#include "comm/mpi_comm.hpp"

namespace ditbatch {

/// "Open MPI v4.1.4"; may be asked before MPI starts.
[[nodiscard]] std::string mpi_library();

/// MPI from its start to its end. Needs MPI_THREAD_MULTIPLE: the work server and the writers send
/// messages while the main threads are in collectives.
///
/// The destructor does not finalise while an exception unwinds: other ranks may still stand in a
/// collective, and MPI_Finalize would wait for them for ever. main() ends such a job by MPI_Abort.
class MpiSession {
 public:
  /// Is told where MPI_Finalize does not return; the process ends with ExitCode::lost_peer then.
  using WhenStuck = std::function<void(int rank, std::string const& host)>;
  /// Throws Error(unhealthy) where the launcher did not make one world of all processes.
  MpiSession(int& argc, char**& argv, WhenStuck when_stuck);
  MpiSession(MpiSession const&) = delete;
  MpiSession& operator=(MpiSession const&) = delete;
  ~MpiSession();

  /// Collective: the job goes on without the ranks that leave, the others are numbered anew (their
  /// places on the node stay). A rank that leaves has nothing to do any more; its destructor waits
  /// for the others.
  enum class Choice { stay, leave };
  void go_on(Choice choice);
  [[nodiscard]] bool is_left_out() const { return is_left_out_; }

  /// The ranks of the job: the world, less those that were left out.
  [[nodiscard]] MPI_Comm comm() const { return comm_.get(); }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  /// Among the ranks that the launcher started on this host.
  [[nodiscard]] int local_rank() const { return local_rank_; }
  [[nodiscard]] std::string const& host() const { return host_; }

 private:
  UniqueMpiComm comm_;
  bool is_left_out_ = false;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  std::string host_;
  WhenStuck when_stuck_;
};

}  // namespace ditbatch
