#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "core/error.hpp"
#include "core/say.hpp"
#include "output/require_run_folder.hpp"
#include "output/shard_row.hpp"
#include "output/upgrade_run.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

namespace {

ExitCode upgrade(std::string const& run_dir) {
  require_run_folder(run_dir);
  auto const locks = lock_all_parts(run_dir);
  UpgradeReport const report = upgrade_run(run_dir);
  if (report.salvaged_images > 0)
    say("%llu images of a job that ended early were published\n",
        static_cast<unsigned long long>(report.salvaged_images));
  say("%llu shards with %llu images upgraded to version %d, %llu had it\n",
      static_cast<unsigned long long>(report.upgraded_shards),
      static_cast<unsigned long long>(report.upgraded_images), shard_schema_version,
      static_cast<unsigned long long>(report.newest_shards));
  return ExitCode::complete;
}

}  // namespace

void add_upgrade_command(CLI::App& app, Command& chosen) {
  auto const run_dir = std::make_shared<std::string>();
  Subcommand& command = add_subcommand(
      app, Term("upgrade", v0_2,
                "rewrite published shards of older versions with the columns of the newest"));
  command.option(Term("run_dir", v0_2, "run folder"), *run_dir)->required();
  command.callback([run_dir, &chosen] { chosen = [run_dir] { return upgrade(*run_dir); }; });
}

}  // namespace ditbatch
