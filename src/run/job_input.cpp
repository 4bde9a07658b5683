#include "run/job_input.hpp"

#include <algorithm>

#include "comm/device.hpp"
#include "config/load_run_config.hpp"
#include "config/mesh_for.hpp"
#include "families/dtype.hpp"
#include "manifest/read_manifest.hpp"
#include "run/session_folder.hpp"

namespace ditbatch {

Dtype settle_dtype(RunConfig const& config) {
  if (config.model.dtype != Dtype::automatic) return config.model.dtype;
  if (auto const before = newest_run_toml(config.job.run_dir)) {
    Problems problems;
    Dtype const dtype = load_run_config(*before, {}, problems).model.dtype;
    if (problems.empty() && dtype != Dtype::automatic) return dtype;
  }
  return usual_dtype(would_use_gpus(config.runtime.device));
}

JobInput read_job_input(RunConfig const& config, int ranks, std::optional<ManifestPart> part,
                        ReadManifest read, Problems& problems) {
  JobInput input;
  Problems model_problems;
  input.model = plan_model(config.model, model_problems);
  // Without a sound checkpoint its limits are not known: the manifest is then checked against none.
  if (!model_problems.empty()) input.model.rules = {{}, 1, 4096};
  problems.append(model_problems);
  input.config = with_sampling_defaults(config, input.model.rules.defaults);
  input.mesh = mesh_for(config, ranks, input.model.mesh, problems);
  if (read == ReadManifest::no) return input;

  input.records = read_manifest(config.job.manifest, input.config, input.model.rules, problems);
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
