#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "comm/launcher.hpp"
#include "commands/above_zero.hpp"
#include "commands/commands.hpp"
#include "commands/load_config.hpp"
#include "commands/subcommand.hpp"
#include "commands/under_mpi.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "doctor/diagnosis.hpp"
#include "doctor/preflight.hpp"
#include "output/run_paths.hpp"
#include "profile/kernel_recorder.hpp"
#include "run/check_job.hpp"
#include "run/folder_parts.hpp"
#include "run/run_job.hpp"
#include "supervise/last_words.hpp"
#include "supervise/verdict.hpp"

namespace ditbatch {

namespace {

struct RunArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string part;
  std::size_t limit = 0;
  double max_hours = 0;
  bool retry_failed = false;
  bool replace_changed = false;
  bool dry_run = false;
  bool exclude_unhealthy = false;
  bool record_kernels = false;
};

// Collective: the job goes on without the ranks that doctor would name.
void leave_out_the_unhealthy(RunConfig const& config, MpiSession& session) {
  // No session is open yet: how the examination ends, if it ends the job, is told beside the lock.
  std::string const work_dir = work_folder(config.job.run_dir);
  on_first_rank(session, [&] {  // comm: all ranks
    std::error_code ignored;    // the examination tells what is wrong with the folder
    std::filesystem::create_directories(work_dir, ignored);
    std::filesystem::remove(paths_in_session(work_dir).end, ignored);
  });
  keep_last_words_in(work_dir);
  ExamineRequest request;
  request.runtime = config.runtime;
  request.under_slurm = is_under_slurm();
  request.run_dir = config.job.run_dir;
  request.limit_s = std::min(request.limit_s, config.limits.phase_s);
  std::vector<RankHealth> const ranks = preflight(session, request);
  MeshConfig const& mesh = config.mesh;
  int const per_replica = mesh.cfg * mesh.pipefusion * mesh.ring * mesh.ulysses;
  std::vector<bool> const keep = ranks_to_keep(ranks, per_replica, mesh.replicas);
  std::string left_out;
  for (RankHealth const& rank : ranks) {
    if (keep[static_cast<std::size_t>(rank.rank)]) continue;
    std::string why = "healthy, but left over: a replica takes " + std::to_string(per_replica);
    if (!rank.problems.empty()) why = rank.problems.front();
    left_out += "\n  rank " + std::to_string(rank.rank) + " on " + rank.host + ": " + why;
  }
  on_first_rank(session, [&] {  // comm: all ranks
    require(std::find(keep.begin(), keep.end(), true) != keep.end(), ExitCode::unhealthy,
            "too few healthy ranks for a replica of " + std::to_string(per_replica) + left_out);
    if (!left_out.empty()) log_warning("going on without:" + left_out);
  });
  session.go_on(keep[static_cast<std::size_t>(session.rank())] ? MpiSession::Choice::stay
                                                               : MpiSession::Choice::leave);
  set_log_identity(session.rank(), session.rank() == 0 && !session.is_left_out()
                                       ? LogVolume::normal
                                       : LogVolume::quiet);
}

ExitCode run(RunArguments const& arguments, MpiSession& session, std::int64_t begin_ns) {
  RunOptions options;
  if (arguments.limit > 0) options.limit = arguments.limit;
  if (arguments.max_hours > 0) options.max_hours = arguments.max_hours;
  if (arguments.retry_failed) options.failed = RunOptions::Failed::retry;
  if (arguments.replace_changed) options.changed = RunOptions::Changed::replace;
  if (arguments.record_kernels) {
    require(KernelRecorder::is_available(), ExitCode::usage,
            "--record-kernels needs CUPTI (this build has none) build with the preset cuda and "
            "CUPTI");
    options.kernels = RunOptions::Kernels::record;
  }
  RunConfig const config = load_config(session, arguments.config, arguments.overrides);
  // comm: all ranks
  options.part = on_first_rank(session, [&] {
    return arguments.part.empty() ? part_by_slurm(config.job.run_dir) : parse_part(arguments.part);
  });
  if (arguments.dry_run) {
    return on_first_rank(session, [&] {  // comm: all ranks
      return check_job(config, {session.size()}, options.part);
    });
  }
  if (arguments.exclude_unhealthy) {
    leave_out_the_unhealthy(config, session);
    if (session.is_left_out()) return ExitCode::complete;
  }
  return run_job(config, options, session, begin_ns);
}

}  // namespace

void add_run_command(CLI::App& app, Invocation const& invocation, Command& chosen) {
  auto const arguments = std::make_shared<RunArguments>();
  Subcommand& command = add_subcommand(
      app, Term("run", v0_1, "make every image of the manifest that is not there yet"));
  command.option(Term("config", v0_1, "run configuration (TOML)"), arguments->config)->required();
  command
      .option(Term("--set", v0_1, "table.key=value, instead of what the file says"),
              arguments->overrides)
      ->allow_extra_args(false);
  command.option(
      Term("--part", v0_1,
           "i/N: the records whose id hashes to part i; without it the Slurm array task"),
      arguments->part);
  command.option(Term("--limit", v0_1, "make at most so many images", "images"), arguments->limit)
      ->check(above_zero());
  command
      .option(Term("--max-hours", v0_1, "stop cleanly after so many hours", "h"),
              arguments->max_hours)
      ->check(above_zero());
  command.flag(Term("--retry-failed", v0_1, "try records listed in failed.jsonl again"),
               arguments->retry_failed);
  command.flag(
      Term("--replace-changed", v0_1, "make images again whose record or checkpoint changed"),
      arguments->replace_changed);
  command.flag(Term("--dry-run", v0_1, "check everything, make nothing"), arguments->dry_run);
  command.flag(Term("--exclude-unhealthy", v0_1,
                    "examine all ranks first, as doctor does, and go on without the unhealthy"),
               arguments->exclude_unhealthy);
  command.flag(Term("--record-kernels", v0_1,
                    "tell how busy each GPU was, from the first images to the last"),
               arguments->record_kernels);
  command.callback([arguments, invocation, &chosen] {
    chosen = [arguments, invocation] {
      UserInput const input{arguments->config, [arguments] {
                              return read_config(arguments->config, arguments->overrides);
                            }};
      return under_mpi(invocation, input, [&](MpiSession& session) {
        return run(*arguments, session, invocation.begin_ns);
      });
    };
  });
}

}  // namespace ditbatch
