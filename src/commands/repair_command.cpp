#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "core/error.hpp"
#include "core/say.hpp"
#include "output/repair_run.hpp"
#include "output/require_run_folder.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

namespace {

unsigned long long count_of(std::uint64_t number) { return number; }

ExitCode repair(std::string const& run_dir, Originals originals) {
  require_run_folder(run_dir);
  auto const locks = lock_all_parts(run_dir);
  RepairReport const report = repair_run(run_dir, originals);
  for (std::string const& line : report.lines) say("%s\n", line.c_str());
  say("%llu shards sound, %llu withdrawn, %llu rewritten without doubles\n",
      count_of(report.sound_shards), count_of(report.withdrawn_shards),
      count_of(report.rewritten_shards));
  if (report.broken_images > 0)
    say("%llu broken images taken out; %llu of them stand nowhere else, and the next run "
        "makes them again\n",
        count_of(report.broken_images), count_of(report.missing_images));
  if (report.doubled_images > 0)
    say("%llu doubles taken out: one sound copy of each stays, none is made again\n",
        count_of(report.doubled_images));
  if (report.removed_originals > 0)
    say("%llu withdrawn shards removed: all their images stand elsewhere\n",
        count_of(report.removed_originals));
  if (report.originals > 0)
    say("%llu withdrawn shards (%llu bytes) stay in .work/withdrawn, for they hold images "
        "that stand nowhere else or cannot be read: repair --discard removes them\n",
        count_of(report.originals), count_of(report.original_bytes));
  return ExitCode::complete;
}

}  // namespace

void add_repair_command(CLI::App& app, Command& chosen) {
  auto const run_dir = std::make_shared<std::string>();
  Subcommand& command = add_subcommand(
      app, Term("repair", v0_1,
                "take out of the published shards what does not verify; run makes it again"));
  command.option(Term("run_dir", v0_1, "run folder"), *run_dir)->required();
  auto const discard = std::make_shared<bool>(false);
  command.flag(Term("--discard", v0_2, "keep no withdrawn shards, of earlier repairs neither"),
               *discard);
  command.callback([run_dir, discard, &chosen] {
    chosen = [run_dir, discard] {
      return repair(*run_dir, *discard ? Originals::discard : Originals::keep);
    };
  });
}

}  // namespace ditbatch
