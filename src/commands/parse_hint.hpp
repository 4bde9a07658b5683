#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ditbatch {

/// For a command line that cannot be understood: "did you mean --dry-run?", or "".
[[nodiscard]] std::string parse_hint(CLI::App const& app, int argc, char const* const* argv);

}  // namespace ditbatch
