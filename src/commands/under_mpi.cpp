#include "commands/under_mpi.hpp"

#include <mpi.h>

#include <cstdio>
#include <exception>
#include <optional>

#include "core/error.hpp"
#include "core/exit_code_for.hpp"
#include "core/log.hpp"
#include "core/problem.hpp"
#include "core/say.hpp"
#include "output/run_paths.hpp"
#include "supervise/fault_point.hpp"
#include "supervise/last_words.hpp"
#include "supervise/signals.hpp"
#include "supervise/start_watch.hpp"
#include "supervise/verdict.hpp"

namespace ditbatch {

namespace {

// A list of problems.
void say_bad_input(BadInput const& error, std::string const& input) {
  std::string const list = error.what();
  say_error(
      "%s\ncause: the input, as listed above (nothing was made)\nread: %s\nthen: ditbatch "
      "check %s\n",
      list.c_str(), input.c_str(), input.c_str());
  std::fflush(stderr);
  LastWords words;
  words.code = error.code();
  words.cause = list.substr(0, list.find('\n'));
  words.read = input;
  words.then = "ditbatch check " + input;
  write_last_words(words);
}

void say_stuck_finalize(int rank, std::string const& host) {
  LastWords words;
  words.code = ExitCode::lost_peer;
  words.cause = "MPI_Finalize does not return on rank " + std::to_string(rank) + ", host " + host +
                " (another rank is stopped or lost)";
  words.rank = rank;
  words.read = last_words_place();
  words.then = "start the same command again; it goes on where this one ended";
  say_last_words(words);
}

// Each rank reads the configuration for itself. What is wrong with it is told when all can hear.
StartWatch::Options start_limits(UserInput const& input) {
  StartWatch::Options options{LimitsConfig{}.start_s, {}};
  if (!input.read_config) return options;
  try {
    RunConfig const config = input.read_config();
    options = {config.limits.start_s, work_folder(config.job.run_dir)};
  } catch (std::exception const&) {
    // Not readable here.
  }
  return options;
}

}  // namespace

ExitCode under_mpi(Invocation const& invocation, UserInput const& input,
                   std::function<ExitCode(MpiSession&)> const& job) {
  // Launchers forward signals to all ranks, also while they start.
  install_signal_handlers();
  std::string host;  // empty: MPI did not start
  int rank = 0;
  try {
    Invocation mine = invocation;
    fault_point("init", {});
    std::optional<StartWatch> start_watch(start_limits(input));
    MpiSession session(mine.argc, mine.argv, say_stuck_finalize);
    start_watch.reset();
    host = session.host();
    rank = session.rank();
    try {
      set_log_identity(rank, rank == 0 ? LogVolume::normal : LogVolume::quiet);
      return job(session);
    } catch (BadInput const& error) {
      // All ranks heard of it and end alike: no abort, which would hide the list behind MPI's own
      // text.
      if (session.rank() == 0) say_bad_input(error, input.path);
      return error.code();
    } catch (Error const& error) {
      if (!is_first_ranks_error(error)) throw;
      return error.code();
    }
  } catch (std::exception const& error) {
    if (auto const* bad = dynamic_cast<BadInput const*>(&error); bad != nullptr)
      say_bad_input(*bad, input.path);
    else
      say_last_words(last_words_of(error, host, rank));
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized != 0) MPI_Abort(MPI_COMM_WORLD, static_cast<int>(exit_code_for(error)));
    return exit_code_for(error);
  }
}

}  // namespace ditbatch
