#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "core/error.hpp"
#include "output/repair_run.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

namespace {

namespace fs = std::filesystem;

ExitCode repair(std::string const& run_dir) {
  require(fs::is_directory(run_dir), ExitCode::io,
          run_dir + ": no run folder is there (no such folder) check the path");
  auto const locks = lock_all_parts(run_dir);
  RepairReport const report = repair_run(run_dir);
  for (std::string const& line : report.lines) std::printf("%s\n", line.c_str());
  std::printf("%llu shards sound, %llu withdrawn with %llu images that the next run makes again\n",
              static_cast<unsigned long long>(report.sound_shards),
              static_cast<unsigned long long>(report.withdrawn_shards),
              static_cast<unsigned long long>(report.withdrawn_images));
  return ExitCode::complete;
}

}  // namespace

void add_repair_command(CLI::App& app, Command& chosen) {
  auto const run_dir = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "repair", "take out of the published shards what does not verify; run makes it again");
  command->add_option("run_dir", *run_dir)->required();
  command->callback([run_dir, &chosen] { chosen = [run_dir] { return repair(*run_dir); }; });
}

}  // namespace ditbatch
