#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "core/say.hpp"
#include "output/export_run.hpp"
#include "output/require_run_folder.hpp"
#include "output/verify_run.hpp"

namespace ditbatch {

namespace {

constexpr int exit_if_different = 1;  // as diff and cmp do

struct CompareArguments {
  std::string run_a, run_b;
};

ExitCode compare(CompareArguments const& arguments) {
  for (std::string const& run_dir : {arguments.run_a, arguments.run_b}) require_run_folder(run_dir);
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
  require_run_folder(arguments.run_dir);
  std::uint64_t const images = export_imagefolder(arguments.run_dir, arguments.out_dir);
  say("%llu images written to %s\n", static_cast<unsigned long long>(images),
      arguments.out_dir.c_str());
  return ExitCode::complete;
}

}  // namespace

void add_compare_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<CompareArguments>();
  CLI::App* command = app.add_subcommand("compare", "compare the images of two run folders by id");
  command->add_option("run_a", arguments->run_a)->required();
  command->add_option("run_b", arguments->run_b)->required();
  command->callback([arguments, &chosen] { chosen = [arguments] { return compare(*arguments); }; });
}

void add_export_command(CLI::App& app, Command& chosen) {
  auto const arguments = std::make_shared<ExportArguments>();
  CLI::App* command = app.add_subcommand("export", "write the images of a run folder as files");
  command->add_option("run_dir", arguments->run_dir)->required();
  command->add_option("--format", arguments->format, "imagefolder")
      ->check(CLI::IsMember({"imagefolder"}));
  command->add_option("--image", arguments->image, "png")->check(CLI::IsMember({"png"}));
  command->add_option("--out", arguments->out_dir, "folder to write to")->required();
  command->callback(
      [arguments, &chosen] { chosen = [arguments] { return export_images(*arguments); }; });
}

}  // namespace ditbatch
