#include "comm/mpi_comm.hpp"

#include <array>
#include <numeric>

#include "core/error.hpp"

namespace ditbatch {

void check_mpi(int code, std::source_location where) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(ExitCode::lost_peer, "MPI failed: " + std::string(text.data()) + " (" +
                                       where.file_name() + ":" + std::to_string(where.line()) +
                                       ") look for a rank that ended first");
}

void MpiCommTraits::close(Handle comm) noexcept {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0) MPI_Comm_free(&comm);
}

int rank_of(MPI_Comm comm) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(comm, &rank));
  return rank;
}

int size_of(MPI_Comm comm) {
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size));
  return size;
}

UniqueMpiComm split(MPI_Comm comm, int color) {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(comm, color, rank_of(comm), &made));
  return UniqueMpiComm(made);
}

UniqueMpiComm duplicate(MPI_Comm comm) {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(comm, &made));
  return UniqueMpiComm(made);
}

std::string broadcast_string(MPI_Comm comm, std::string const& text, int root) {
  std::string received = text;
  unsigned long long size = text.size();
  check_mpi(MPI_Bcast(&size, 1, MPI_UNSIGNED_LONG_LONG, root, comm));
  received.resize(size);
  constexpr std::size_t most = std::size_t{1} << 30U;  // MPI counts are int
  for (std::size_t offset = 0; offset < received.size(); offset += most) {
    auto const count = static_cast<int>(std::min(most, received.size() - offset));
    check_mpi(MPI_Bcast(received.data() + offset, count, MPI_CHAR, root, comm));
  }
  return received;
}

std::vector<std::string> all_gather_strings(MPI_Comm comm, std::string const& text) {
  auto const ranks = static_cast<std::size_t>(size_of(comm));
  int const size = static_cast<int>(text.size());
  std::vector<int> sizes(ranks), offsets(ranks);
  check_mpi(MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, comm));
  std::exclusive_scan(sizes.begin(), sizes.end(), offsets.begin(), 0);
  std::string all(static_cast<std::size_t>(offsets.back() + sizes.back()), '\0');
  check_mpi(MPI_Allgatherv(text.data(), size, MPI_CHAR, all.data(), sizes.data(), offsets.data(),
                           MPI_CHAR, comm));
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    texts.push_back(
        all.substr(static_cast<std::size_t>(offsets[rank]), static_cast<std::size_t>(sizes[rank])));
  }
  return texts;
}

std::vector<std::string> gather_strings(MPI_Comm comm, std::string const& text, int root) {
  std::vector<std::string> texts = all_gather_strings(comm, text);
  if (rank_of(comm) != root) texts.clear();
  return texts;
}

}  // namespace ditbatch
