#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/above_zero.hpp"
#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
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
  Subcommand& command = add_subcommand(
      app,
      Term("check", v0_1, "read config, manifest and checkpoint headers, and say what is wrong"));
  command.option(Term("config", v0_1, "run configuration (TOML)"), arguments->config)->required();
  command
      .option(Term("--set", v0_1, "table.key=value, instead of what the file says"),
              arguments->overrides)
      ->allow_extra_args(false);
  command
      .option(Term("--ranks", v0_1, "check the mesh for so many ranks", "ranks"), arguments->ranks)
      ->check(above_zero());
  command.flag(Term("--print", v0_1, "print the effective config"), arguments->print);
  command.flag(Term("--hash", v0_1, "hash the weight files"), arguments->hash);
  command.flag(Term("--all", v0_2, "list every problem, not only the first ones of each kind"),
               arguments->all);
  command.flag(Term("--input-only", v0_2, "leave the run folder and the lengths of prompts out"),
               arguments->input_only);
  command.callback([arguments, &chosen] { chosen = [arguments] { return check(*arguments); }; });
}

}  // namespace ditbatch
