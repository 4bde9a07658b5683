#include <memory>
#include <string>

#include "bench/session_timeline.hpp"
#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "core/say.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace {

struct TimelineArguments {
  std::string session_dir;
  std::string out = "trace.json";
};

ExitCode write_timeline(TimelineArguments const& arguments) {
  Timeline const timeline = session_timeline(arguments.session_dir);
  replace_file(arguments.out, chrome_trace_json(timeline));
  say("%zu spans written to %s: open it in ui.perfetto.dev\n", timeline.events.size(),
      arguments.out.c_str());
  return ExitCode::complete;
}

}  // namespace

void add_timeline_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<TimelineArguments>();
  Subcommand& command = add_subcommand(
      app, Term("timeline", v0_1,
                "a session's spans as a file for ui.perfetto.dev or chrome://tracing"));
  command
      .option(Term("session_dir", v0_1, "a folder under sessions/ of a run folder"),
              arguments->session_dir)
      ->required();
  command.option(Term("--out", v0_1, "file to write"), arguments->out)->capture_default_str();
  command.callback(
      [arguments, &chosen] { chosen = [arguments] { return write_timeline(*arguments); }; });
}

}  // namespace ditbatch
