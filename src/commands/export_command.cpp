#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "commands/subcommand.hpp"
#include "core/exit_code_terms.hpp"
#include "core/say.hpp"
#include "output/export_run.hpp"
#include "output/verify_run.hpp"

namespace ditbatch {

namespace {

struct CompareArguments {
  std::string run_a, run_b;
};

ExitCode compare(CompareArguments const& arguments) {
  CompareReport const report = compare_runs(arguments.run_a, arguments.run_b);
  for (std::string const& difference : report.differences) say("%s\n", difference.c_str());
  say("%llu images identical, %zu not\n", static_cast<unsigned long long>(report.identical),
      report.differences.size());
  return report.differences.empty() ? ExitCode::complete : static_cast<ExitCode>(exit_if_different);
}

struct ExportArguments {
  std::string run_dir, out_dir;
  std::string format = "imagefolder";
  std::string image = "png";
};

ExitCode export_images(ExportArguments const& arguments) {
  std::uint64_t const images = export_imagefolder(arguments.run_dir, arguments.out_dir);
  say("%llu images written to %s\n", static_cast<unsigned long long>(images),
      arguments.out_dir.c_str());
  return ExitCode::complete;
}

}  // namespace

void add_compare_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<CompareArguments>();
  Subcommand& command =
      add_subcommand(app, Term("compare", v0_1, "compare the images of two run folders by id"));
  command.option(Term("run_a", v0_1, "run folder"), arguments->run_a)->required();
  command.option(Term("run_b", v0_1, "run folder to compare it with"), arguments->run_b)
      ->required();
  command.callback([arguments, &chosen] { chosen = [arguments] { return compare(*arguments); }; });
}

void add_export_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<ExportArguments>();
  Subcommand& command =
      add_subcommand(app, Term("export", v0_1, "write the images of a run folder as files"));
  command.option(Term("run_dir", v0_1, "run folder"), arguments->run_dir)->required();
  command
      .option(Term("--format", v0_1,
                   "of the folder: imagefolder is Hugging Face's, with metadata.jsonl"),
              arguments->format)
      ->check(CLI::IsMember({"imagefolder"}))
      ->capture_default_str();
  command.option(Term("--image", v0_1, "format of the images"), arguments->image)
      ->check(CLI::IsMember({"png"}))
      ->capture_default_str();
  command.option(Term("--out", v0_1, "folder to write to"), arguments->out_dir)->required();
  command.callback(
      [arguments, &chosen] { chosen = [arguments] { return export_images(*arguments); }; });
}

}  // namespace ditbatch
