
#include "commands/commands.hpp"
#include "commands/reference_sections.hpp"
#include "commands/subcommand.hpp"
#include "core/build_info.hpp"
#include "core/say.hpp"

namespace ditbatch {

namespace {

ExitCode print_reference(CLI::App& app) {
  std::string text = std::string("# Reference\n\nOf ditbatch ") + build_info::version +
                     ": every name that people meet, with meaning, default, unit and the version "
                     "that brought it. Made from the program's own lists, by `ditbatch reference > "
                     "docs/reference.md`.\n";
  for (std::string const& section :
       {commands_section(app), exit_codes_section(), config_section(), manifest_section(),
        run_folder_section(), shard_section(), metrics_section()})
    text += "\n" + section;
  say("%s", text.c_str());
  return ExitCode::complete;
}

}  // namespace

void add_reference_command(CLI::App& app, Command& chosen) {
  Subcommand& command = add_subcommand(
      app,
      Term("reference", v0_2, "print this reference: every command, key, field, column, file"));
  command.callback([&app, &chosen] { chosen = [&app] { return print_reference(app); }; });
}

}  // namespace ditbatch
