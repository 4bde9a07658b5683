#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "run/job_input.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

/// How a run folder's records are divided among jobs that know nothing of each other: what the
/// first of them wrote down, so that all count alike.
struct FolderParts {
  int count = 1;                     // 1: one job works on the whole manifest
  ArrayTasks tasks;                  // which task of an array works on which part
  std::uint64_t manifest_bytes = 0;  // the manifest as the last of the jobs found it
  std::string manifest_sha256;
};

/// Nothing where no job wrote it yet.
[[nodiscard]] std::optional<FolderParts> read_folder_parts(std::string const& run_dir);

/// The part of a task of a Slurm array: by what stands in the run folder, or, where nothing does,
/// by the array itself. Throws Error(usage) where the array is no whole one with an even step: some
/// tasks of another array tell nothing of its other parts.
[[nodiscard]] ManifestPart part_of_task(int task, SlurmArray const& array,
                                        std::optional<FolderParts> const& known);

/// The part that this process is by Slurm's variables; nothing where it is no task of an array, or
/// of one with one task. Throws Error(usage) where they are no numbers.
[[nodiscard]] std::optional<ManifestPart> part_by_slurm(std::string const& run_dir);
/// "2/8": that part, with the array's tasks where this is one of them.
[[nodiscard]] std::optional<ManifestPart> parse_part(std::string const& text);

/// Agrees with the other jobs of this folder on the number of parts, after `own` was taken. Throws
/// Error(bad_input) where jobs of another division run, or where the manifest was edited since the
/// first part (its lines are not those at the head of the present one any more) and changed images
/// are not to be replaced. Where the division changes, all locks are taken and what the earlier
/// jobs left is published before.
void agree_on_parts(std::string const& run_dir, RunOptions const& options,
                    std::string const& manifest);

}  // namespace ditbatch
