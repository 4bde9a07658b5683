#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "core/problem.hpp"
#include "families/families.hpp"
#include "manifest/image_record.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// Tasks of a Slurm array as the parts of a manifest: part i is task first + i * step.
struct ArrayTasks {
  int first = 0;
  int step = 1;
};

/// Part `index` of `count` of a manifest, by the hash of the ids.
struct ManifestPart {
  int index = 0;
  int count = 1;
  ArrayTasks tasks;
};

/// A Slurm array as its tasks see it: of `count` tasks, perhaps not all between `first` and `last`.
struct SlurmArray {
  int count = 1;
  int first = 0;
  int last = 0;
  int step = 1;
};

/// What the command line adds to the config.
struct RunOptions {
  std::optional<ManifestPart> part;
  std::optional<std::size_t> limit;  // at most so many records of those still to do
  std::optional<double> max_hours;
  enum class Failed { skip, retry } failed = Failed::skip;
  enum class Changed { refuse, replace } changed = Changed::refuse;  // published under the same id
  std::optional<std::set<ImageKey>> only;                            // these images alone
  enum class Kernels { leave, record } kernels = Kernels::leave;     // how busy is each GPU?
};

/// Everything a job stands on, read and proven sound before a model is loaded or a GPU touched.
struct JobInput {
  RunConfig config;  // with the model's defaults where [sampling] says nothing
  ModelPlan model;
  MeshShape mesh;
  std::vector<ImageRecord> records;  // of this part, in the order of the manifest
};

/// The dtype that the config says or, for "auto", the one of the run folder's newest session, so
/// that all images of a folder are made in one; where it has none, what is usual on the device.
[[nodiscard]] Dtype settle_dtype(RunConfig const& config);

/// Whether the manifest is read: rank 0 alone needs its records.
enum class ReadManifest { yes, no };

/// Reads checkpoint headers, mesh and manifest; the dtype is settled. All problems are added to
/// `problems`; with any of them the result must not be used. Writes nothing.
[[nodiscard]] JobInput read_job_input(RunConfig const& config, int ranks,
                                      std::optional<ManifestPart> part, ReadManifest read_manifest,
                                      Problems& problems);

}  // namespace ditbatch
