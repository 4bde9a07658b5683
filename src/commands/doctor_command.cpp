#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "comm/launcher.hpp"
#include "commands/commands.hpp"
#include "commands/load_config.hpp"
#include "commands/subcommand.hpp"
#include "commands/under_mpi.hpp"
#include "core/say.hpp"
#include "doctor/diagnosis.hpp"
#include "doctor/preflight.hpp"
#include "output/scan_run.hpp"
#include "run/job_input.hpp"
#include "supervise/verdict.hpp"

namespace ditbatch {

namespace {

struct DoctorArguments {
  std::string config;
  std::vector<std::string> overrides;
  bool json = false;
};

// Of the images that are not published yet, before compression.
double pixel_bytes_to_come(RunConfig const& config) {
  MeshConfig const& mesh = config.mesh;  // any number of ranks that fits: sick ones are left out
  int const ranks =
      mesh.cfg * mesh.pipefusion * mesh.ring * mesh.ulysses * mesh.replicas.value_or(1);
  Problems problems;
  JobInput const input = read_job_input(config, ranks, std::nullopt, ReadManifest::yes, problems);
  problems.throw_if_any();
  double bytes = 0;
  for (ImageRecord const& record : input.records)
    bytes += static_cast<double>(record.width_px * record.height_px * 3);
  double published = 0;
  for (auto const& [file, line] : read_all_indexes(config.job.run_dir))
    published += static_cast<double>(line.rows);
  auto const records = static_cast<double>(std::max<std::size_t>(input.records.size(), 1));
  return bytes * std::max(0.0, 1 - published / records);
}

ExitCode doctor(DoctorArguments const& arguments, MpiSession const& session) {
  ExamineRequest request;
  if (!arguments.config.empty()) {
    RunConfig const config = load_config(session, arguments.config, arguments.overrides);
    // comm: all ranks
    request.need_bytes = on_first_rank(session, [&] { return pixel_bytes_to_come(config); });
    request.runtime = config.runtime;
    request.under_slurm = is_under_slurm();
    request.run_dir = config.job.run_dir;
    request.limit_s = std::min(request.limit_s, config.limits.phase_s);
  }
  std::vector<RankHealth> const ranks = preflight(session, request);
  if (session.rank() == 0)
    say("%s", (arguments.json ? health_json(ranks) : health_text(ranks)).c_str());
  bool const all_healthy = std::all_of(
      ranks.begin(), ranks.end(), [](RankHealth const& rank) { return rank.problems.empty(); });
  return all_healthy ? ExitCode::complete : ExitCode::unhealthy;
}

}  // namespace

void add_doctor_command(CLI::App& app, Invocation const& invocation, Command& chosen) {
  auto const arguments = std::make_shared<DoctorArguments>();
  Subcommand& command = add_subcommand(
      app, Term("doctor", v0_1,
                "examine devices, links, versions and the run folder, under the launcher"));
  CLI::Option* const config = command.option(
      Term("config", v0_1, "run configuration (TOML): its devices and its run folder"),
      arguments->config);
  command
      .option(Term("--set", v0_1, "table.key=value, instead of what the file says"),
              arguments->overrides)
      ->allow_extra_args(false)
      ->needs(config);
  command.flag(Term("--json", v0_1, "every rank's rates and problems as JSON"), arguments->json);
  command.callback([arguments, invocation, &chosen] {
    chosen = [arguments, invocation] {
      UserInput input{arguments->config,
                      [arguments] { return read_config(arguments->config, arguments->overrides); }};
      if (arguments->config.empty()) input.read_config = nullptr;
      return under_mpi(invocation, input,
                       [&](MpiSession const& session) { return doctor(*arguments, session); });
    };
  });
}

}  // namespace ditbatch
