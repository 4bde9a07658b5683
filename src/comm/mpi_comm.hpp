#pragma once

#include <mpi.h>

#include <source_location>
#include <string>
#include <vector>

#include "core/unique_handle.hpp"

namespace ditbatch {

/// Throws Error(lost_peer) with MPI's text and the place of the call. Works because the session
/// sets MPI_ERRORS_RETURN on the world before any split; with the default handler it would never be
/// reached.
void check_mpi(int code, std::source_location where = std::source_location::current());

struct MpiCommTraits {
  using Handle = MPI_Comm;
  static Handle null() noexcept { return MPI_COMM_NULL; }
  static void close(Handle comm) noexcept;  // nothing after MPI_Finalize
};
using UniqueMpiComm = UniqueHandle<MpiCommTraits>;

// All of these but rank_of and size_of are collectives: every rank of `comm` makes the call.
[[nodiscard]] int rank_of(MPI_Comm comm);
[[nodiscard]] int size_of(MPI_Comm comm);
/// Ranks with the same color form a communicator, in the order of their ranks in `comm`.
[[nodiscard]] UniqueMpiComm split(MPI_Comm comm, int color);
[[nodiscard]] UniqueMpiComm duplicate(MPI_Comm comm);
/// The root's text on every rank.
[[nodiscard]] std::string broadcast_string(MPI_Comm comm, std::string const& text, int root);
/// On the root: one text a rank, in their order; elsewhere empty.
[[nodiscard]] std::vector<std::string> gather_strings(MPI_Comm comm, std::string const& text,
                                                      int root);
/// One text a rank, everywhere.
[[nodiscard]] std::vector<std::string> all_gather_strings(MPI_Comm comm, std::string const& text);

}  // namespace ditbatch
