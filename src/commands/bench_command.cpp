#include <memory>
#include <string>
#include <vector>

#include "bench/run_bench.hpp"
#include "commands/commands.hpp"
#include "commands/load_config.hpp"
#include "commands/under_mpi.hpp"

namespace ditbatch {

namespace {

struct BenchArguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string out_dir;
  bool profile = false;
};

ExitCode bench(BenchArguments const& arguments, MpiSession const& session, std::int64_t begin_ns) {
  RunConfig const config = load_config(session, arguments.config, arguments.overrides);
  return run_bench(config,
                   {arguments.out_dir, arguments.profile ? BenchOptions::Kernels::record
                                                         : BenchOptions::Kernels::leave},
                   session, begin_ns);
}

}  // namespace

void add_bench_command(CLI::App& app, Invocation const& invocation, Command& chosen) {
  auto const arguments = std::make_shared<BenchArguments>();
  CLI::App* command = app.add_subcommand(
      "bench", "measure layouts, sizes and batches against the floor of the hardware");
  command->add_option("config", arguments->config, "run configuration (TOML) with a [bench] table")
      ->required();
  command
      ->add_option("--set", arguments->overrides, "table.key=value, instead of what the file says")
      ->allow_extra_args(false);
  command->add_option("--out", arguments->out_dir,
                      "folder to write to (default: bench-YYYYMMDD-HHMMSS)");
  command->add_flag("--profile", arguments->profile,
                    "record the kernels of one more image of each case (GPUs)");
  command->callback([arguments, invocation, &chosen] {
    chosen = [arguments, invocation] {
      UserInput const input{arguments->config, [arguments] {
                              return read_config(arguments->config, arguments->overrides);
                            }};
      return under_mpi(invocation, input, [&](MpiSession const& session) {
        return bench(*arguments, session, invocation.begin_ns);
      });
    };
  });
}

}  // namespace ditbatch
