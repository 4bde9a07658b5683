#include "commands/markdown.hpp"
#include "commands/reference_sections.hpp"
#include "commands/subcommand.hpp"

namespace ditbatch {

namespace {

// "--limit N"; a positional by its name alone.
std::string written(CLI::Option const& option) {
  bool const takes_value = option.get_positional() || option.get_items_expected_max() == 0;
  return takes_value ? option.get_name() : option.get_name() + " " + option.get_type_name();
}

std::string options_table(Subcommand const& command) {
  MarkdownTable table{{"option", "default", "unit", "since", "meaning"}, {}};
  for (CLI::Option const* option : command.get_options()) {
    if (option == command.get_help_ptr()) continue;
    Term const& term = command.term_of(option);
    table.rows.push_back({code(written(*option)),
                          option->get_required() ? "required" : code(option->get_default_str()),
                          term.unit(), version_of(term.since()), term.meaning()});
  }
  return table.rows.empty() ? "" : "\n" + to_markdown(table);
}

}  // namespace

std::string commands_section(CLI::App& app) {
  MarkdownTable general{{"option", "meaning"}, {}};
  for (CLI::Option const* option : app.get_options())
    general.rows.push_back({code(option->get_name()), option->get_description()});
  std::string text =
      "## Commands and options\n\n`ditbatch COMMAND --help` lists the options of a command, "
      "too.\n\n" +
      to_markdown(general);
  for (CLI::App* each : app.get_subcommands({})) {
    auto const& command = dynamic_cast<Subcommand const&>(*each);
    Term const& term = command.term();
    text += "\n### " + code(std::string("ditbatch ") + term.name()) + "\n\n" + term.meaning() +
            " (since " + version_of(term.since()) + ").\n" + options_table(command);
  }
  return text;
}

}  // namespace ditbatch
