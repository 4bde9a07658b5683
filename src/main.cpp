// Subcommands. The way of a record is in run/run_job.cpp.
#include <mpi.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "comm/mpi_session.hpp"
#include "config/load_run_config.hpp"
#include "core/build_info.hpp"
#include "core/log.hpp"
#include "core/trace.hpp"
#include "output/export_run.hpp"
#include "output/h5_handle.hpp"
#include "output/verify_run.hpp"
#include "run/check_job.hpp"
#include "run/run_job.hpp"
#include "run/verdict.hpp"

namespace ditbatch {
namespace {

struct Arguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string part;
  std::size_t limit = 0;
  double max_hours = 0;
  bool retry_failed = false;
  bool dry_run = false;
  bool print = false;
  bool hash = false;
  int ranks = 0;
  std::string run_a, run_b, out_dir;
  std::string format = "imagefolder";
  std::string image = "png";
};

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

// "2/8", or the task of a Slurm array.
std::optional<ManifestPart> parse_part(std::string const& text) {
  ManifestPart part;
  char const* task = std::getenv("SLURM_ARRAY_TASK_ID");
  char const* count = std::getenv("SLURM_ARRAY_TASK_COUNT");
  if (text.empty() && task != nullptr && count != nullptr) {
    char const* first = std::getenv("SLURM_ARRAY_TASK_MIN");
    part = {std::atoi(task) - (first != nullptr ? std::atoi(first) : 0), std::atoi(count)};
  } else if (text.empty()) {
    return std::nullopt;
  } else {
    char rest = 0;
    int const read = std::sscanf(text.c_str(), "%d/%d%c", &part.index, &part.count, &rest);
    require(read == 2, ExitCode::usage,
            "--part " + text + " is not of the form i/N (for example 0/8)");
  }
  require(part.count >= 1 && part.count <= 10000 && part.index >= 0 && part.index < part.count,
          ExitCode::usage,
          "--part " + std::to_string(part.index) + "/" + std::to_string(part.count) +
              " does not exist (parts count from 0 to N-1)");
  return part;
}

ExitCode run(Arguments const& arguments, MpiSession const& session, std::int64_t begin_ns) {
  set_log_identity(session.rank(), session.rank() == 0 ? LogVolume::normal : LogVolume::quiet);
  prepare_h5();
  RunOptions options;
  options.part = parse_part(arguments.part);
  if (arguments.limit > 0) options.limit = arguments.limit;
  if (arguments.max_hours > 0) options.max_hours = arguments.max_hours;
  if (arguments.retry_failed) options.failed = RunOptions::Failed::retry;
  RunConfig config;
  (void)on_first_rank(session, [&] {
    Problems problems;
    config = load_run_config(arguments.config, arguments.overrides, problems);
    problems.throw_if_any();
    return std::string();
  });
  if (session.rank() != 0) {
    Problems problems;
    config = load_run_config(arguments.config, arguments.overrides, problems);
    problems.throw_if_any();
  }
  if (arguments.dry_run) {
    return static_cast<ExitCode>(std::stoi(on_first_rank(session, [&] {
      return std::to_string(static_cast<int>(
          check_job(config, {session.size(), CheckHashes::no, PrintConfig::no}, options.part)));
    })));
  }
  return run_job(config, options, session, begin_ns);
}

// The last three lines of an abnormal end: cause, file to read, command to run next.
void print_end(std::exception const& error, ExitCode code, Arguments const& arguments) {
  std::fprintf(stderr, "%s\n", error.what());
  if (code == ExitCode::bad_input) {
    std::fprintf(stderr, "nothing was written\nread: %s\nthen: ditbatch check %s\n",
                 arguments.config.c_str(), arguments.config.c_str());
  } else {
    std::fprintf(stderr,
                 "cause: see above\nread: the newest folder under sessions/ of the run "
                 "folder\nthen: start the same command again; it goes on where this one ended\n");
  }
}

int run_under_mpi(Arguments const& arguments, int argc, char** argv, std::int64_t begin_ns) {
  // Launchers forward it to all ranks, also while they start: those that do not act on it go on.
  std::signal(SIGUSR1, SIG_IGN);
  int rank = 0;
  try {
    MpiSession const session(argc, argv);
    rank = session.rank();
    try {
      return static_cast<int>(run(arguments, session, begin_ns));
    } catch (BadInput const& error) {
      // All ranks heard of it and end alike: no abort, which would hide the list behind MPI's own
      // text.
      if (rank == 0) print_end(error, error.code(), arguments);
      return static_cast<int>(error.code());
    } catch (Error const& error) {
      if (!is_first_ranks_error(error)) throw;
      return static_cast<int>(error.code());
    }
  } catch (std::exception const& error) {
    auto const* named = dynamic_cast<Error const*>(&error);
    ExitCode const code = named != nullptr ? named->code() : ExitCode::internal;
    std::fprintf(stderr, "[rank %d] ", rank);
    print_end(error, code, arguments);
    std::fflush(stderr);
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (initialized != 0) MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
    return static_cast<int>(code);
  }
}

int verify(Arguments const& arguments) {
  VerifyReport const report = verify_run(arguments.run_a);
  for (std::string const& problem : report.problems) std::printf("%s\n", problem.c_str());
  std::printf("%llu images in %llu shards, %zu problems\n",
              static_cast<unsigned long long>(report.images),
              static_cast<unsigned long long>(report.shards), report.problems.size());
  return static_cast<int>(report.problems.empty() ? ExitCode::complete : ExitCode::io);
}

int compare(Arguments const& arguments) {
  CompareReport const report = compare_runs(arguments.run_a, arguments.run_b);
  for (std::string const& difference : report.differences) std::printf("%s\n", difference.c_str());
  std::printf("%llu images identical, %zu not\n", static_cast<unsigned long long>(report.identical),
              report.differences.size());
  return report.differences.empty() ? 0 : 1;
}

int dispatch(int argc, char** argv, std::int64_t begin_ns) {
  Arguments arguments;
  CLI::App app{"Makes image data sets with diffusion transformers over MPI and NCCL."};
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  auto const add_config = [&](CLI::App* command) {
    command->add_option("config", arguments.config, "run configuration (TOML)")->required();
    command
        ->add_option("--set", arguments.overrides, "table.key=value, instead of what the file says")
        ->allow_extra_args(false);
  };
  CLI::App* run_command =
      app.add_subcommand("run", "make every image of the manifest that is not there yet");
  add_config(run_command);
  run_command->add_option(
      "--part", arguments.part,
      "i/N: the records whose id hashes to part i (default: the Slurm array task)");
  run_command->add_option("--limit", arguments.limit, "make at most so many images");
  run_command->add_option("--max-hours", arguments.max_hours, "stop cleanly after so many hours");
  run_command->add_flag("--retry-failed", arguments.retry_failed,
                        "try records listed in failed.jsonl again");
  run_command->add_flag("--dry-run", arguments.dry_run, "check everything, make nothing");
  CLI::App* check_command = app.add_subcommand(
      "check", "read config, manifest and checkpoint headers, and say what is wrong");
  add_config(check_command);
  check_command->add_option("--ranks", arguments.ranks, "check the mesh for so many ranks");
  check_command->add_flag("--print", arguments.print, "print the effective config");
  check_command->add_flag("--hash", arguments.hash, "hash the weight files");
  CLI::App* verify_command = app.add_subcommand("verify", "check every hash of a run folder");
  verify_command->add_option("run_dir", arguments.run_a)->required();
  CLI::App* compare_command =
      app.add_subcommand("compare", "compare the images of two run folders by id");
  compare_command->add_option("run_a", arguments.run_a)->required();
  compare_command->add_option("run_b", arguments.run_b)->required();
  CLI::App* export_command =
      app.add_subcommand("export", "write the images of a run folder as files");
  export_command->add_option("run_dir", arguments.run_a)->required();
  export_command->add_option("--format", arguments.format, "imagefolder")
      ->check(CLI::IsMember({"imagefolder"}));
  export_command->add_option("--image", arguments.image, "png")->check(CLI::IsMember({"png"}));
  export_command->add_option("--out", arguments.out_dir, "folder to write to")->required();
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    int const code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }

  if (*run_command) return run_under_mpi(arguments, argc, argv, begin_ns);
  try {
    prepare_h5();
    if (*check_command) {
      Problems problems;
      RunConfig const config = load_run_config(arguments.config, arguments.overrides, problems);
      problems.throw_if_any();
      return static_cast<int>(
          check_job(config,
                    {arguments.ranks, arguments.hash ? CheckHashes::yes : CheckHashes::no,
                     arguments.print ? PrintConfig::yes : PrintConfig::no},
                    std::nullopt));
    }
    if (*verify_command) return verify(arguments);
    if (*compare_command) return compare(arguments);
    std::uint64_t const images = export_imagefolder(arguments.run_a, arguments.out_dir);
    std::printf("%llu images written to %s\n", static_cast<unsigned long long>(images),
                arguments.out_dir.c_str());
    return 0;
  } catch (Error const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}

}  // namespace
}  // namespace ditbatch

int main(int argc, char** argv) {
  std::int64_t const begin_ns = ditbatch::now_ns();
  int const code = ditbatch::dispatch(argc, argv, begin_ns);
  // Not exit(): after a failed write HDF5's exit handler tries again, and crashes.
  std::fflush(nullptr);
  ::_exit(code);
}
