// The list of subcommands. The way of a record is in run/run_job.cpp.
#include <mpi.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "commands/commands.hpp"
#include "core/build_info.hpp"
#include "core/exit_code_for.hpp"
#include "core/trace.hpp"
#include "output/h5_handle.hpp"

namespace ditbatch {
namespace {

std::string version_text() {
  unsigned h5_major = 0, h5_minor = 0, h5_release = 0;
  H5get_libversion(&h5_major, &h5_minor, &h5_release);
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(mpi, &length);
  std::string mpi_line(mpi);
  mpi_line = mpi_line.substr(0, mpi_line.find_first_of(",\n"));
  return std::string("ditbatch ") + build_info::version + " (" + build_info::git_revision +
         ")\n  " + mpi_line + "\n  LibTorch " + build_info::torch_version + ", HDF5 " +
         std::to_string(h5_major) + "." + std::to_string(h5_minor) + "." +
         std::to_string(h5_release) + "\n  CUDA architectures: " + build_info::cuda_architectures;
}

ExitCode dispatch(Invocation const& invocation) {
  Command chosen;
  CLI::App app{"Makes image data sets with diffusion transformers over MPI and NCCL."};
  app.set_version_flag("--version", version_text());
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
  try {
    app.parse(invocation.argc, invocation.argv);
  } catch (CLI::ParseError const& error) {
    return app.exit(error) == 0 ? ExitCode::complete : ExitCode::usage;
  }
  try {
    prepare_h5();
    return chosen();
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
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
