#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

#include "core/exit_code.hpp"

namespace ditbatch {

/// A failure with a name. The message says `problem (why) suggestion`, in lower case;
/// the code is what the process exits with when nobody handles the error.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string const& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// For input and environment, always on: throws Error(code, message) unless the condition holds.
inline void require(bool condition, ExitCode code, std::string const& message) {
  if (!condition) throw Error(code, message);
}

/// For our own invariants, always on: throws Error(internal) that names the place.
void ensure(bool condition, char const* what,
            std::source_location where = std::source_location::current());

}  // namespace ditbatch
