#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "core/say.hpp"
#include "output/require_run_folder.hpp"
#include "run/read_status.hpp"

namespace ditbatch {

namespace {

struct StatusArguments {
  std::string run_dir;
  bool json = false;
  bool ranks = false;
};

ExitCode print_status(StatusArguments const& arguments) {
  require_run_folder(arguments.run_dir);
  RunStatus const status = read_status(arguments.run_dir);
  std::string const text =
      arguments.json ? status_json(status)
                     : status_text(status, arguments.ranks ? ShowRanks::yes : ShowRanks::no);
  say("%s", text.c_str());
  return ExitCode::complete;
}

}  // namespace

void add_status_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<StatusArguments>();
  Subcommand& command = add_subcommand(
      app, Term("status", v0_1, "progress of a running or stopped job, from its files alone"));
  command.option(Term("run_dir", v0_1, "run folder"), arguments->run_dir)->required();
  command.flag(Term("--json", v0_1, "everything, for programs"), arguments->json);
  command.flag(Term("--ranks", v0_1, "what each rank does, slowest first"), arguments->ranks);
  command.callback(
      [arguments, &chosen] { chosen = [arguments] { return print_status(*arguments); }; });
}

}  // namespace ditbatch
