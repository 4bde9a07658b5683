#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>

#include "core/exit_code.hpp"

namespace ditbatch {

/// What main() was called with, and when.
struct Invocation {
  int argc = 0;
  char** argv = nullptr;
  std::int64_t begin_ns = 0;  // steady clock
};

/// The subcommand that the command line names, its options read.
using Command = std::function<ExitCode()>;

// Each adds a subcommand; parsing the command line then sets `chosen`.
void add_run_command(CLI::App& app, Invocation const& invocation, Command& chosen);
void add_check_command(CLI::App& app, Command& chosen);
void add_doctor_command(CLI::App& app, Invocation const& invocation, Command& chosen);
void add_bench_command(CLI::App& app, Invocation const& invocation, Command& chosen);
void add_status_command(CLI::App& app, Command& chosen);
void add_timeline_command(CLI::App& app, Command& chosen);
void add_verify_command(CLI::App& app, Invocation const& invocation, Command& chosen);
void add_repair_command(CLI::App& app, Command& chosen);
void add_prune_command(CLI::App& app, Command& chosen);
void add_upgrade_command(CLI::App& app, Command& chosen);
void add_compare_command(CLI::App& app, Command& chosen);
void add_export_command(CLI::App& app, Command& chosen);
/// Tells of all the others.
void add_reference_command(CLI::App& app, Command& chosen);

}  // namespace ditbatch
