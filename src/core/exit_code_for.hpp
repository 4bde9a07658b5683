#pragma once

#include <exception>

#include "core/exit_code.hpp"

namespace ditbatch {

/// What a process exits with when nobody handles this exception. The file system's own refusals are
/// I/O errors; whatever else has no name is a mistake of ours.
[[nodiscard]] ExitCode exit_code_for(std::exception const& error) noexcept;

}  // namespace ditbatch
