#include <memory>
#include <string>

#include "commands/commands.hpp"
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
  CLI::App* command = app.add_subcommand(
      "prune", "take images out of a run folder for good; run does not make them again");
  command->add_option("run_dir", arguments->run_dir)->required();
  CLI::Option* ids = command->add_option(
      "--ids", arguments->request.ids_file,
      "file with one id a line: every image of the record; id[index]: that image");
  CLI::Option* foreign = command->add_flag("--not-in-manifest", arguments->request.not_in_manifest,
                                           "images whose line is gone from the manifest");
  foreign->excludes(ids);
  CLI::Option* gpu = command->add_option("--gpu", arguments->request.gpu_uuid,
                                         "images of a replica with this UUID");
  CLI::Option* session =
      command->add_option("--session", arguments->session, "images of this session")
          ->check(CLI::PositiveNumber);
  CLI::Option* since = command->add_option("--since", arguments->since,
                                           "images finished then or later: 2026-03-01T12:30:00Z");
  for (CLI::Option* maker : {gpu, session, since}) maker->excludes(ids)->excludes(foreign);
  command->add_flag("--remake", arguments->remake, "the next run makes them again");
  command->add_flag("--dry-run", arguments->dry_run, "say what would be taken out, change nothing");
  command->add_option("--reason", arguments->reason, "kept with what was taken out");
  command->callback([arguments, &chosen] { chosen = [arguments] { return prune(*arguments); }; });
}

}  // namespace ditbatch
