#include <memory>
#include <string>
#include <vector>

#include "bench/run_bench.hpp"
#include "commands/commands.hpp"
#include "commands/load_config.hpp"
#include "commands/subcommand.hpp"
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
  Subcommand& command = add_subcommand(
      app,
      Term("bench", v0_1, "measure layouts, sizes and batches against the floor of the hardware"));
  command
      .option(Term("config", v0_1, "run configuration (TOML) with a [bench] table"),
              arguments->config)
      ->required();
  command
      .option(Term("--set", v0_1, "table.key=value, instead of what the file says"),
              arguments->overrides)
      ->allow_extra_args(false);
  command.option(Term("--out", v0_1, "folder to write to; without it bench-YYYYMMDD-HHMMSS"),
                 arguments->out_dir);
  command.flag(Term("--profile", v0_1, "record the kernels of one more image of each case (GPUs)"),
               arguments->profile);
  command.callback([arguments, invocation, &chosen] {
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
