#include "run/job_input.hpp"

#include <algorithm>

#include "config/load_run_config.hpp"
#include "config/mesh_for.hpp"
#include "manifest/read_manifest.hpp"

namespace ditbatch {

JobInput read_job_input(RunConfig const& config, int ranks, std::optional<ManifestPart> part,
                        ReadManifest read, Problems& problems) {
  JobInput input;
  WeightFiles const weight_files =
      config.model.random_weights ? WeightFiles::ignored : WeightFiles::required;
  Problems checkpoint_problems;
  input.checkpoint = open_checkpoint(config.model.path, weight_files, checkpoint_problems);
  input.configs = read_flux_configs(input.checkpoint, weight_files, checkpoint_problems);
  // Without a sound checkpoint its limits are not known: the manifest is then checked against none.
  RecordRules rules{{}, 1, 4096};
  MeshLimits mesh_limits{0};
  if (checkpoint_problems.empty()) {
    rules = record_rules(input.configs);
    mesh_limits.heads = static_cast<int>(input.configs.transformer.heads);
  }
  problems.append(checkpoint_problems);
  input.config = with_sampling_defaults(config, rules.defaults);
  input.mesh = mesh_for(config, ranks, mesh_limits, problems);
  if (read == ReadManifest::no) return input;

  input.records = read_manifest(config.job.manifest, input.config, rules, problems);
  if (part) {
    auto const others = [&](ImageRecord const& record) {
      return !is_in_part(record.id, part->index, part->count);
    };
    input.records.erase(std::remove_if(input.records.begin(), input.records.end(), others),
                        input.records.end());
  }
  return input;
}

}  // namespace ditbatch
