#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ditbatch {

// The sections of docs/reference.md, each made of the list that the program itself goes by.

/// Every subcommand of the program with its options.
[[nodiscard]] std::string commands_section(CLI::App& app);
[[nodiscard]] std::string exit_codes_section();
[[nodiscard]] std::string config_section();
[[nodiscard]] std::string manifest_section();
[[nodiscard]] std::string run_folder_section();
[[nodiscard]] std::string shard_section();
[[nodiscard]] std::string metrics_section();

}  // namespace ditbatch
