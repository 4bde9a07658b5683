#pragma once

#include <string>

namespace ditbatch {

/// Sets the prefix `[rank r]` of this process; `quiet` ranks print warnings only.
enum class LogVolume { normal, quiet };
void set_log_identity(int rank, LogVolume volume);

/// From now on to this file as well, whatever the volume. Throws Error(io) where it cannot be made.
void log_to_file(std::string const& path);

/// To stderr, one line a call, with time and rank. Safe from any thread.
void log_info(std::string const& message);
void log_warning(std::string const& message);
void log_error(std::string const& message);

}  // namespace ditbatch
