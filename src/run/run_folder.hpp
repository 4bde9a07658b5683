#pragma once

#include <optional>
#include <string>
#include <vector>

#include "manifest/image_record.hpp"
#include "output/scan_run.hpp"
#include "run/job_input.hpp"
#include "run/record_judge.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

/// "p0007", or "" for a job that works on the whole manifest.
[[nodiscard]] std::string part_name(std::optional<ManifestPart> const& part);

/// The run folder as rank 0 takes it over: locked, what a dead job left behind salvaged, what is
/// left to do known.
class RunFolder {
 public:
  /// Takes the input's records. Throws BadInput where a published image belongs to another version
  /// of its record, unless such images are to be replaced: then they are taken out.
  RunFolder(RunConfig const& config, RunOptions const& options, JobInput& input);

  /// Takes records out of failed.jsonl that have been made since.
  void forget_mended_failures(RunConfig const& config);

  [[nodiscard]] RunLock& lock() { return lock_; }

  std::vector<ImageRecord> to_do;  // in the order of the manifest
  std::size_t beyond_limit = 0;    // records left to a later job by --limit
  std::size_t already_done = 0;    // records of this part that are published
  std::size_t known_failed = 0;    // skipped, listed in failed.jsonl
  std::string first_failure;       // "r3[0]: why" of the first of them; empty: none
  std::size_t taken_out = 0;       // skipped, by prune
  RunContents contents;
  int session = 0;
  std::string index_path;
  std::string failed_path;

 private:
  void refuse_or_withdraw_changed(JobInput const& input, RunOptions const& options,
                                  std::vector<ImageRecord> const& wanted, RecordJudge& judge);
  std::string part_;
  RunLock lock_;
};

}  // namespace ditbatch
