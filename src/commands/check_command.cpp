#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/above_zero.hpp"
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
  bool all = false;
  bool input_only = false;
};

ExitCode check_config(CheckArguments const& arguments) {
  Problems problems;
  RunConfig const config = load_run_config(arguments.config, arguments.overrides, problems);
  problems.throw_if_any();
  auto const part = part_by_slurm(config.job.run_dir);
  // run.sbatch reads this line.
  if (part) say("part        %d/%d, as task of a Slurm array\n", part->index, part->count);
  return check_job(config,
                   {arguments.ranks, arguments.hash ? CheckHashes::yes : CheckHashes::no,
                    arguments.print ? PrintConfig::yes : PrintConfig::no,
                    arguments.all ? ListAll::yes : ListAll::no,
                    arguments.input_only ? LookAtFolder::no : LookAtFolder::yes},
                   arguments.input_only ? std::nullopt : part);
}

ExitCode check(CheckArguments const& arguments) {
  try {
    return check_config(arguments);
  } catch (BadInput const& error) {
    if (!arguments.all) throw;
    for (Problem const& problem : error.problems()) say_error("%s\n", to_string(problem).c_str());
    return error.code();
  }
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
  command->add_option("--ranks", arguments->ranks, "check the mesh for so many ranks")
      ->check(above_zero());
  command->add_flag("--print", arguments->print, "print the effective config");
  command->add_flag("--hash", arguments->hash, "hash the weight files");
  command->add_flag("--all", arguments->all,
                    "list every problem, not only the first ones of each kind");
  command->add_flag("--input-only", arguments->input_only,
                    "leave the run folder and the lengths of prompts out");
  command->callback([arguments, &chosen] { chosen = [arguments] { return check(*arguments); }; });
}

}  // namespace ditbatch
