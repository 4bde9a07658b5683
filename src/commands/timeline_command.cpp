#include <memory>
#include <string>

#include "bench/session_timeline.hpp"
#include "commands/commands.hpp"
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
  CLI::App* command = app.add_subcommand(
      "timeline", "a session's spans as a file for ui.perfetto.dev or chrome://tracing");
  command
      ->add_option("session_dir", arguments->session_dir,
                   "a folder under sessions/ of a run folder")
      ->required();
  command->add_option("--out", arguments->out, "file to write (default: trace.json)");
  command->callback(
      [arguments, &chosen] { chosen = [arguments] { return write_timeline(*arguments); }; });
}

}  // namespace ditbatch
