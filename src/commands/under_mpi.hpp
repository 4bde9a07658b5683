#pragma once

#include <functional>
#include <string>

#include "comm/mpi_session.hpp"
#include "commands/commands.hpp"
#include "config/run_config.hpp"

namespace ditbatch {

/// What the user named, and what is known from it before MPI starts.
struct UserInput {
  std::string path;                          // a file or a folder
  std::function<RunConfig()> read_config{};  // by this rank alone; empty: there is none
};

/// Runs `job` on every rank of the world and returns what the process exits with. An error that one
/// rank meets alone aborts the others; one that all ranks heard of ends them alike. The last three
/// lines of an abnormal end say the cause, what to read and what to do. A world that does not come
/// together within [limits] start_s ends on every rank that waits for it, with
/// ExitCode::lost_peer.
[[nodiscard]] ExitCode under_mpi(Invocation const& invocation, UserInput const& input,
                                 std::function<ExitCode(MpiSession&)> const& job);

}  // namespace ditbatch
