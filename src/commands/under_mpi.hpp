#pragma once

#include <functional>
#include <string>

#include "comm/mpi_session.hpp"
#include "commands/commands.hpp"

namespace ditbatch {

/// Runs `job` on every rank of the world and returns what the process exits with. An error that one
/// rank meets alone aborts the others; one that all ranks heard of ends them alike. The last three
/// lines of an abnormal end say the cause, what to read and what to do; `input` is the file or
/// folder that the user named.
[[nodiscard]] ExitCode under_mpi(Invocation const& invocation, std::string const& input,
                                 std::function<ExitCode(MpiSession&)> const& job);

}  // namespace ditbatch
