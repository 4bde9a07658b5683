#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "config/load_run_config.hpp"
#include "core/say.hpp"
#include "run/check_job.hpp"
#include "run/folder_parts.hpp"

namespace ditbatch {

namespace {

struct CheckArguments {
  std::string config;
  std::vector<std::string> overrides;
  int ranks = 0;
  bool print = false;
  bool hash = false;
};

ExitCode check(CheckArguments const& arguments) {
  Problems problems;
  RunConfig const config = load_run_config(arguments.config, arguments.overrides, problems);
  problems.throw_if_any();
  ExitCode const code =
      check_job(config,
                {arguments.ranks, arguments.hash ? CheckHashes::yes : CheckHashes::no,
                 arguments.print ? PrintConfig::yes : PrintConfig::no},
                std::nullopt);
  // run.sbatch reads this line.
  if (auto const part = part_by_slurm(config.job.run_dir))
    say("part        %d/%d, as task of a Slurm array\n", part->index, part->count);
  return code;
}

}  // namespace

void add_check_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<CheckArguments>();
  CLI::App* command = app.add_subcommand(
      "check", "read config, manifest and checkpoint headers, and say what is wrong");
  command->add_option("config", arguments->config, "run configuration (TOML)")->required();
  command
      ->add_option("--set", arguments->overrides, "table.key=value, instead of what the file says")
      ->allow_extra_args(false);
  command->add_option("--ranks", arguments->ranks, "check the mesh for so many ranks");
  command->add_flag("--print", arguments->print, "print the effective config");
  command->add_flag("--hash", arguments->hash, "hash the weight files");
  command->callback([arguments, &chosen] { chosen = [arguments] { return check(*arguments); }; });
}

}  // namespace ditbatch
