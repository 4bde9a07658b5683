#include "run/check_job.hpp"

#include "config/load_run_config.hpp"
#include "core/say.hpp"
#include "run/check_folder.hpp"
#include "run/notices.hpp"

namespace ditbatch {

namespace {

constexpr std::size_t most_prompts_looked_at = 100'000;

double gigabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }

void print_records(JobInput const& input, FolderOutlook const& folder) {
  say("manifest    %s: %zu images\n", input.config.job.manifest.c_str(), input.records.size());
  say("run folder  %s: %zu made, %zu to make\n", input.config.job.run_dir.c_str(), folder.made,
      folder.to_make);
  for (auto const& [size, count] : folder.to_make_by_size)
    say("            %s: %zu\n", size.c_str(), count);
  if (folder.failed_before > 0)
    say("            failed before, left out without --retry-failed: %zu\n", folder.failed_before);
  if (folder.taken_out > 0)
    say("            taken out by prune, not made: %zu\n", folder.taken_out);
  if (folder.partials > 0)
    say("            shards of a job that ended early, what is whole in them is kept: %zu\n",
        folder.partials);
  say("disk        %.3f GB of pixels before compression", gigabytes(folder.pixel_bytes));
  if (folder.disk_bytes)
    say(", about %.3f GB by the shards that are there", gigabytes(*folder.disk_bytes));
  if (folder.free_bytes) say("; %.3f GB are free", gigabytes(*folder.free_bytes));
  say("\n");
}

void print_model(JobInput const& input, Dtype asked) {
  Checkpoint const& checkpoint = input.model.checkpoint;
  std::uint64_t weights = 0;
  for (auto const& [name, component] : checkpoint.components) weights += component.weight_bytes();
  say("checkpoint  %s: %s, %.2f GB of weights%s, id %s\n", checkpoint.folder.c_str(),
      checkpoint.pipeline_class.c_str(), gigabytes(weights),
      input.config.model.random_weights ? " (drawn at random)" : "",
      to_hex(checkpoint.id).substr(0, 16).c_str());
  for (auto const& [name, file] : input.model.tokenizers)
    say("            %s from %s\n", name.c_str(), file.c_str());
  say("dtype       %s%s\n", dtype_name(input.config.model.dtype).c_str(),
      asked == Dtype::automatic ? " (auto: as the run folder has it, else bf16 where GPUs are "
                                  "seen and fp32 where not)"
                                : "");
}

void print_mesh(JobInput const& input, FolderOutlook const& folder, int ranks) {
  say("mesh        %s for %d ranks\n", layout_name(input.mesh).c_str(), ranks);
  say("memory      %.2f GB of weights on each rank, as they are stored\n",
      gigabytes(input.model.rank_weight_bytes));
  if (!folder.pace || folder.to_make == 0) return;
  double const images_per_s = folder.pace->images_per_s * ranks / folder.pace->ranks;
  say("time        about %.2f hours on %d ranks, as fast a rank as session %d (%.3f images/s on "
      "%d)\n",
      static_cast<double>(folder.to_make) / images_per_s / 3600, ranks, folder.pace->session,
      folder.pace->images_per_s, folder.pace->ranks);
}

void print_hashes(Checkpoint const& checkpoint) {
  for (auto const& [name, component] : checkpoint.components) {
    for (std::string const& file : component.files)
      say("sha256      %s  %s\n", to_hex(sha256_of_file(file)).c_str(), file.c_str());
  }
}

// The last line says it in one word.
ExitCode print_verdict(FolderOutlook const& folder) {
  for (Problem const& problem : folder.changes.all()) say("%s\n", to_string(problem).c_str());
  for (std::string const& barrier : folder.barriers) say("%s\n", barrier.c_str());
  if (!folder.changes.empty() || !folder.barriers.empty()) {
    say("not ok: a job would end without making anything, for the reasons above\n");
    return ExitCode::bad_input;
  }
  if (folder.to_make == 0)
    say("ok: there is nothing to make\n");
  else
    say("ok: %zu images to make\n", folder.to_make);
  return ExitCode::complete;
}

}  // namespace

ExitCode check_job(RunConfig const& given, CheckOptions const& options,
                   std::optional<ManifestPart> part) {
  RunConfig config = given;
  config.model.dtype = settle_dtype(given);
  MeshConfig const& mesh = config.mesh;
  int const per_replica = mesh.cfg * mesh.pipefusion * mesh.ring * mesh.ulysses;
  int const ranks = options.ranks > 0 ? options.ranks : per_replica * mesh.replicas.value_or(1);
  Problems problems;
  JobInput const input = read_job_input(config, ranks, part, ReadManifest::yes, problems);
  problems.throw_if_any();
  if (options.print == PrintConfig::yes) say("%s", to_toml(input.config).c_str());
  if (options.folder == LookAtFolder::no) {
    say("ok: the input is sound; the run folder was not looked at\n");
    return ExitCode::complete;
  }
  FolderOutlook const folder = look_at_folder(input, part, options.list);
  print_records(input, folder);
  print_model(input, given.model.dtype);
  print_mesh(input, folder, ranks);
  if (options.hashes == CheckHashes::yes) print_hashes(input.model.checkpoint);
  for (Notice const& notice : find_notices(input, most_prompts_looked_at))
    say("perhaps     %s\n", to_string(notice).c_str());
  return print_verdict(folder);
}

}  // namespace ditbatch
