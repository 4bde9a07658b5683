#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "output/require_run_folder.hpp"
#include "run/prune_job.hpp"

namespace ditbatch {

namespace {

struct PruneArguments {
  std::string run_dir;
  PruneRequest request;
  int session = 0;
  std::string since;
  std::string reason;
  bool remake = false;
  bool dry_run = false;
};

ExitCode prune(PruneArguments const& arguments) {
  require_run_folder(arguments.run_dir);
  PruneRequest request = arguments.request;
  if (arguments.session > 0) request.session = arguments.session;
  if (!arguments.since.empty()) request.since_ns = parse_time_ns(arguments.since);
  PruneOptions options;
  if (arguments.remake) options.later = PruneOptions::Later::remake;
  if (arguments.dry_run) options.perform = PruneOptions::Do::nothing;
  options.reason = arguments.reason;
  return prune(arguments.run_dir, request, options);
}

}  // namespace

void add_prune_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<PruneArguments>();
  Subcommand& command = add_subcommand(
      app, Term("prune", v0_2,
                "take images out of a run folder for good; run does not make them again"));
  command.option(Term("run_dir", v0_2, "run folder"), arguments->run_dir)->required();
  CLI::Option* ids = command.option(
      Term("--ids", v0_2,
           "file with one id a line: every image of the record; id[index]: that image"),
      arguments->request.ids_file);
  CLI::Option* foreign =
      command.flag(Term("--not-in-manifest", v0_2, "images whose line is gone from the manifest"),
                   arguments->request.not_in_manifest);
  foreign->excludes(ids);
  CLI::Option* gpu = command.option(Term("--gpu", v0_2, "images of a replica with this UUID"),
                                    arguments->request.gpu_uuid);
  CLI::Option* session =
      command.option(Term("--session", v0_2, "images of this session"), arguments->session)
          ->check(CLI::PositiveNumber);
  CLI::Option* since =
      command.option(Term("--since", v0_2, "images finished then or later: 2026-03-01T12:30:00Z"),
                     arguments->since);
  for (CLI::Option* maker : {gpu, session, since}) maker->excludes(ids)->excludes(foreign);
  command.flag(Term("--remake", v0_2, "the next run makes them again"), arguments->remake);
  command.flag(Term("--dry-run", v0_2, "say what would be taken out, change nothing"),
               arguments->dry_run);
  command.option(Term("--reason", v0_2, "kept with what was taken out"), arguments->reason);
  command.callback([arguments, &chosen] { chosen = [arguments] { return prune(*arguments); }; });
}

}  // namespace ditbatch
