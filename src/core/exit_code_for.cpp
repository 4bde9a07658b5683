#include "core/exit_code_for.hpp"

#include <filesystem>

#include "core/error.hpp"

namespace ditbatch {

ExitCode exit_code_for(std::exception const& error) noexcept {
  if (auto const* named = dynamic_cast<Error const*>(&error)) return named->code();
  if (dynamic_cast<std::filesystem::filesystem_error const*>(&error) != nullptr)
    return ExitCode::io;
  return ExitCode::internal;
}

}  // namespace ditbatch
