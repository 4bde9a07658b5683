#include "core/exit_code_for.hpp"

#include <filesystem>
#include <system_error>

#include "core/error.hpp"

namespace ditbatch {

bool is_out_of_threads(std::exception const& error) noexcept {
  auto const* refused = dynamic_cast<std::system_error const*>(&error);
  return refused != nullptr && refused->code() == std::errc::resource_unavailable_try_again;
}

ExitCode exit_code_for(std::exception const& error) noexcept {
  if (auto const* named = dynamic_cast<Error const*>(&error)) return named->code();
  if (dynamic_cast<std::filesystem::filesystem_error const*>(&error) != nullptr)
    return ExitCode::io;
  if (is_out_of_threads(error)) return ExitCode::unhealthy;
  return ExitCode::internal;
}

}  // namespace ditbatch
