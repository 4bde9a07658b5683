#pragma once

#include <exception>

#include "core/exit_code.hpp"

namespace ditbatch {

/// What a process exits with when nobody handles this exception. The file system's own refusals are
/// I/O errors, a thread that the machine does not grant is the machine's; whatever else has no name
/// is a mistake of ours.
[[nodiscard]] ExitCode exit_code_for(std::exception const& error) noexcept;

/// Whether a thread or process was refused for a limit (ulimit -u, pids.max of a cgroup).
[[nodiscard]] bool is_out_of_threads(std::exception const& error) noexcept;

}  // namespace ditbatch
