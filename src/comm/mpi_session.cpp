#include "comm/mpi_session.hpp"

#include <mpi.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "comm/launcher.hpp"
#include "comm/mpi_comm.hpp"
#include "core/error.hpp"

namespace ditbatch {

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  std::string const line(text);
  return line.substr(0, line.find_first_of(",\n"));
}

namespace {

constexpr int finalize_limit_s = 120;

}  // namespace

MpiSession::MpiSession(int& argc, char**& argv, WhenStuck when_stuck)
    : when_stuck_(std::move(when_stuck)) {
  require(launcher_problem().empty(), ExitCode::unhealthy, launcher_problem());
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  // Before any split: children inherit the handler, and check_mpi would never fire without it.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  require(provided == MPI_THREAD_MULTIPLE, ExitCode::unhealthy,
          "this MPI has no MPI_THREAD_MULTIPLE (the work queue runs beside the collectives)"
          " use an MPI that was built with it");
  // comm: all ranks
  comm_ = duplicate(MPI_COMM_WORLD);
  rank_ = rank_of(comm());
  size_ = size_of(comm());
  MPI_Comm node = MPI_COMM_NULL;
  // comm: all ranks
  check_mpi(MPI_Comm_split_type(comm(), MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node));
  local_rank_ = rank_of(UniqueMpiComm(node).get());
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  host_ = name.data();
  std::string const problem = launcher_problem(size_);
  require(problem.empty(), ExitCode::unhealthy, problem);
}

void MpiSession::go_on(Choice choice) {
  is_left_out_ = choice == Choice::leave;
  // comm: all ranks
  comm_ = split(comm_.get(), is_left_out_ ? 1 : 0);
  rank_ = rank_of(comm());
  size_ = size_of(comm());
}

MpiSession::~MpiSession() {
  if (std::uncaught_exceptions() > 0) return;
  // The others work on, perhaps for days: a rank that is left out sleeps until they come here.
  MPI_Request all_are_here = MPI_REQUEST_NULL;
  // comm: all ranks
  MPI_Ibarrier(MPI_COMM_WORLD, &all_are_here);
  for (int done = 0; is_left_out_ && done == 0;) {
    MPI_Test(&all_are_here, &done, MPI_STATUS_IGNORE);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  // Nothing watches the ranks any more, and one that is stopped or lost now would hold the others
  // here for ever. main() ends the process long before the thread wakes.
  std::thread([rank = rank_, host = host_, tell = when_stuck_] {
    // Second by second: the time for which the process is suspended does not count.
    for (int i = 0; i < finalize_limit_s; ++i) std::this_thread::sleep_for(std::chrono::seconds(1));
    if (tell) tell(rank, host);
    ::_exit(static_cast<int>(ExitCode::lost_peer));
  }).detach();
  MPI_Wait(&all_are_here, MPI_STATUS_IGNORE);
  comm_ = UniqueMpiComm();
  MPI_Finalize();
}

}  // namespace ditbatch
