#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "commands/under_mpi.hpp"
#include "core/say.hpp"
#include "output/run_paths.hpp"
#include "output/verify_run.hpp"
#include "run/verify_job.hpp"

namespace ditbatch {

namespace {

struct VerifyArguments {
  std::string run_dir;
  std::size_t regenerate = 0;
  std::vector<std::string> overrides;
};

// "first, second, ... and 12 more"
std::string some_of(std::vector<std::string> const& names) {
  constexpr std::size_t most = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
    text += (i > 0 ? ", " : "") + names[i];
  return names.size() > most ? text + " and " + std::to_string(names.size() - most) + " more"
                             : text;
}

void print_completeness(Completeness const& found, VerifyReport const& report) {
  if (!found.unknown.empty()) {
    say("not compared with the manifest: %s\n", found.unknown.c_str());
  } else if (found.missing.empty()) {
    say("%seach of the %zu images of %s is published", report.problems.empty() ? "complete: " : "",
        found.wanted, found.manifest.c_str());
    if (report.doubled == 0) say(" once");
    if (found.failed > 0) say(" or listed as failed (%zu)", found.failed);
    if (found.taken_out > 0) say(" or taken out (%zu)", found.taken_out);
    if (report.doubled > 0)
      say(", but %llu stand a second time", static_cast<unsigned long long>(report.doubled));
    say(report.problems.empty() ? "\n" : "; not all are sound: see the problems above\n");
  } else {
    say("%zu of the %zu images of %s are missing (%s) run the job again\n", found.missing.size(),
        found.wanted, found.manifest.c_str(), some_of(found.missing).c_str());
  }
  if (!found.changed.empty()) {
    say("%zu images were made from another record or checkpoint (%s) see run --replace-changed\n",
        found.changed.size(), some_of(found.changed).c_str());
  }
  if (!found.foreign.empty()) {
    say("%zu images are not in the manifest any more (%s)\n", found.foreign.size(),
        some_of(found.foreign).c_str());
  }
}

ExitCode verify(std::string const& run_dir) {
  VerifyReport const report = verify_run(run_dir);
  for (std::string const& problem : report.problems) say("%s\n", problem.c_str());
  say("%llu images in %llu shards, %zu problems\n", static_cast<unsigned long long>(report.images),
      static_cast<unsigned long long>(report.shards), report.problems.size());
  if (report.constant_images > 0) {
    say("%llu images are constant: all bytes are the same (pixel_std is 0)\n",
        static_cast<unsigned long long>(report.constant_images));
  }
  Completeness const found = compare_with_manifest(run_dir, report);
  print_completeness(found, report);
  if (!report.problems.empty()) return ExitCode::io;
  // Shards alone, copied from a run folder, have no manifest to be compared with.
  bool const is_left_open = !found.unknown.empty() && !session_numbers(run_dir).empty();
  if (!found.changed.empty() || is_left_open) return ExitCode::bad_input;
  return found.missing.empty() ? ExitCode::complete : ExitCode::stopped;
}

}  // namespace

void add_verify_command(CLI::App& app, Invocation const& invocation, Command& chosen) {
  auto const arguments = std::make_shared<VerifyArguments>();
  Subcommand& command = add_subcommand(
      app,
      Term("verify", v0_1, "check every hash of a run folder, and that every image is there once"));
  command
      .option(Term("run_dir", v0_1, "run folder, or a copy of its shards alone"),
              arguments->run_dir)
      ->required();
  command.option(Term("--regenerate", v0_1,
                      "make so many images again, under the launcher, and compare bits", "images"),
                 arguments->regenerate);
  command.option(Term("--set", v0_1, "table.key=value, for --regenerate"), arguments->overrides)
      ->allow_extra_args(false);
  command.callback([arguments, invocation, &chosen] {
    chosen = [arguments, invocation] {
      if (arguments->regenerate == 0) return verify(arguments->run_dir);
      UserInput const input{arguments->run_dir, [arguments] {
                              return config_of_run(arguments->run_dir, arguments->overrides);
                            }};
      return under_mpi(invocation, input, [&](MpiSession const& session) {
        return regenerate(arguments->run_dir, arguments->regenerate, arguments->overrides, session,
                          invocation.begin_ns);
      });
    };
  });
}

}  // namespace ditbatch
