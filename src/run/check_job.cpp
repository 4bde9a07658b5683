#include "run/check_job.hpp"

#include <map>

#include "config/load_run_config.hpp"
#include "core/say.hpp"
#include "output/run_paths.hpp"
#include "output/tombstones.hpp"

namespace ditbatch {

ExitCode check_job(RunConfig const& config, CheckOptions const& options,
                   std::optional<ManifestPart> part) {
  MeshConfig const& mesh = config.mesh;
  int const per_replica = mesh.cfg * mesh.pipefusion * mesh.ring * mesh.ulysses;
  int const ranks = options.ranks > 0 ? options.ranks : per_replica * mesh.replicas.value_or(1);
  Problems problems;
  JobInput const input = read_job_input(config, ranks, part, ReadManifest::yes, problems);
  problems.throw_if_any();

  if (options.print == PrintConfig::yes) say("%s", to_toml(input.config).c_str());
  std::map<std::string, std::size_t> images;
  std::uint64_t bytes = 0;
  Tombstones const tombstones = read_tombstones(config.job.run_dir);
  std::size_t taken_out = 0;
  for (ImageRecord const& record : input.records) {
    if (tombstones.hold(record.key())) {
      taken_out += 1;
      continue;
    }
    images[size_folder(record.width_px, record.height_px)] += 1;
    bytes += static_cast<std::uint64_t>(record.width_px * record.height_px * 3);
  }
  std::uint64_t weights = 0;
  for (auto const& [name, component] : input.model.checkpoint.components)
    weights += component.weight_bytes();
  say("manifest    %s: %zu images\n", config.job.manifest.c_str(), input.records.size());
  for (auto const& [size, count] : images) say("            %s: %zu\n", size.c_str(), count);
  if (taken_out > 0) say("            taken out by prune, not made: %zu\n", taken_out);
  say("output      %s: %.1f MB of pixels before compression\n", config.job.run_dir.c_str(),
      static_cast<double>(bytes) / 1e6);
  say("checkpoint  %s: %s, %.2f GB of weights%s, id %s\n", input.model.checkpoint.folder.c_str(),
      input.model.checkpoint.pipeline_class.c_str(), static_cast<double>(weights) / 1e9,
      config.model.random_weights ? " (drawn at random)" : "",
      to_hex(input.model.checkpoint.id).substr(0, 16).c_str());
  for (auto const& [name, file] : input.model.tokenizers)
    say("            %s from %s\n", name.c_str(), file.c_str());
  say("mesh        %s for %d ranks\n", layout_name(input.mesh).c_str(), ranks);
  if (options.hashes == CheckHashes::yes) {
    for (auto const& [name, component] : input.model.checkpoint.components) {
      for (std::string const& file : component.files)
        say("sha256      %s  %s\n", to_hex(sha256_of_file(file)).c_str(), file.c_str());
    }
  }
  return ExitCode::complete;
}

}  // namespace ditbatch
