#include "commands/under_mpi.hpp"

#include <mpi.h>

#include <cstdio>
#include <exception>

#include "core/error.hpp"
#include "core/exit_code_for.hpp"
#include "core/log.hpp"
#include "core/problem.hpp"
#include "supervise/signals.hpp"
#include "supervise/verdict.hpp"

namespace ditbatch {

namespace {

void print_end(std::exception const& error, std::string const& who, std::string const& input) {
  if (dynamic_cast<BadInput const*>(&error) != nullptr) {  // a list
    std::fprintf(stderr,
                 "%s\ncause: the input, as listed above (nothing was made)\nread: %s\nthen: "
                 "ditbatch check %s\n",
                 error.what(), input.c_str(), input.c_str());
    std::fflush(stderr);
    return;
  }
  std::fprintf(stderr, "cause: %s%s\n", who.c_str(), error.what());
  switch (exit_code_for(error)) {
    case ExitCode::internal:
      std::fprintf(stderr,
                   "read: the newest folder under sessions/ of the run folder\nthen: report this; "
                   "starting again would most likely end in the same way\n");
      break;
    case ExitCode::unhealthy:
      std::fprintf(stderr,
                   "read: the line above\nthen: mend it or leave that node out, and start again\n");
      break;
    default:
      std::fprintf(
          stderr,
          "read: the newest folder under sessions/ of the run folder\nthen: start the same "
          "command again; it goes on where this one ended\n");
  }
  std::fflush(stderr);
}

}  // namespace

ExitCode under_mpi(Invocation const& invocation, std::string const& input,
                   std::function<ExitCode(MpiSession&)> const& job) {
  // Launchers forward signals to all ranks, also while they start.
  install_signal_handlers();
  std::string who;
  try {
    Invocation mine = invocation;
    MpiSession session(mine.argc, mine.argv);
    who = "rank " + std::to_string(session.rank()) + " on " + session.host() + ": ";
    try {
      set_log_identity(session.rank(), session.rank() == 0 ? LogVolume::normal : LogVolume::quiet);
      return job(session);
    } catch (BadInput const& error) {
      // All ranks heard of it and end alike: no abort, which would hide the list behind MPI's own
      // text.
      if (session.rank() == 0) print_end(error, "", input);
      return error.code();
    } catch (Error const& error) {
      if (!is_first_ranks_error(error)) throw;
      return error.code();
    }
  } catch (std::exception const& error) {
    print_end(error, who, input);
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized != 0) MPI_Abort(MPI_COMM_WORLD, static_cast<int>(exit_code_for(error)));
    return exit_code_for(error);
  }
}

}  // namespace ditbatch
