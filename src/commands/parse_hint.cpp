#include "commands/parse_hint.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch {

namespace {

std::string hint_for(std::string const& typed, std::vector<std::string> const& known,
                     std::string const& before) {
  std::vector<std::string_view> const names(known.begin(), known.end());
  std::string const near = nearest_name(typed, names);
  return near.empty() ? "" : typed + ": did you mean " + before + near + "?";
}

}  // namespace

std::string parse_hint(CLI::App const& app, int argc, char const* const* argv) {
  if (argc < 2) return "";
  std::string const typed = argv[1];
  CLI::App const* command = nullptr;
  std::vector<std::string> commands;
  for (CLI::App const* each : app.get_subcommands(nullptr)) {
    commands.push_back(each->get_name());
    if (each->get_name() == typed) command = each;
  }
  if (command == nullptr) return hint_for(typed, commands, "");
  std::vector<std::string> options;
  for (CLI::Option const* option : command->get_options())
    for (std::string const& name : option->get_lnames()) options.push_back(name);
  for (int i = 2; i < argc; ++i) {
    std::string const argument = argv[i];
    if (argument.rfind("--", 0) != 0) continue;
    std::string const name = argument.substr(2, argument.find('=') - 2);
    bool const is_known = std::find(options.begin(), options.end(), name) != options.end();
    if (!is_known) return hint_for(name, options, "--");
  }
  return "";
}

}  // namespace ditbatch
