// The list of subcommands. The way of a record is in run/run_job.cpp.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "comm/mpi_session.hpp"
#include "commands/commands.hpp"
#include "commands/parse_hint.hpp"
#include "core/build_info.hpp"
#include "core/exit_code_for.hpp"
#include "core/say.hpp"
#include "core/trace.hpp"
#include "output/h5_handle.hpp"

namespace ditbatch {
namespace {

std::string version_text() {
  return std::string("ditbatch ") + build_info::version + " (" + build_info::git_revision +
         ")\n  " + mpi_library() + "\n  LibTorch " + build_info::torch_version + ", HDF5 " +
         h5_version() + "\n  CUDA architectures: " + build_info::cuda_architectures;
}

ExitCode dispatch(Invocation const& invocation) {
  Command chosen;
  CLI::App app{"Makes image data sets with diffusion transformers over MPI and NCCL."};
  app.set_version_flag("--version", version_text());
  app.set_help_all_flag("--help-all", "Print the help of every command and exit");
  app.require_subcommand(1);
  add_run_command(app, invocation, chosen);
  add_check_command(app, chosen);
  add_doctor_command(app, invocation, chosen);
  add_bench_command(app, invocation, chosen);
  add_status_command(app, chosen);
  add_timeline_command(app, chosen);
  add_verify_command(app, invocation, chosen);
  add_repair_command(app, chosen);
  add_prune_command(app, chosen);
  add_upgrade_command(app, chosen);
  add_compare_command(app, chosen);
  add_export_command(app, chosen);
  add_reference_command(app, chosen);
  try {
    // `help run` is `run --help`.
    std::vector<std::string> arguments(invocation.argv + 1, invocation.argv + invocation.argc);
    if (!arguments.empty() && arguments.front() == "help") {
      arguments.erase(arguments.begin());
      arguments.emplace_back("--help");
    }
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app.parse(std::move(arguments));
  } catch (CLI::ParseError const& error) {
    if (app.exit(error) == 0) return ExitCode::complete;
    std::string const hint = parse_hint(app, invocation.argc, invocation.argv);
    if (!hint.empty()) say_error("%s\n", hint.c_str());
    return ExitCode::usage;
  }
  try {
    prepare_h5();
    return chosen();
  } catch (std::exception const& error) {
    say_error("%s\n", error.what());
    return exit_code_for(error);
  }
}

}  // namespace
}  // namespace ditbatch

int main(int argc, char** argv) {
  // Whatever the caller's: nobody else may write what a job makes.
  ::umask(::umask(0) | S_IWOTH);
  ditbatch::ExitCode const code = ditbatch::dispatch({argc, argv, ditbatch::now_ns()});
  // Not exit(): after a failed write HDF5's exit handler tries again, and crashes.
  std::fflush(nullptr);
  ::_exit(static_cast<int>(code));
}
