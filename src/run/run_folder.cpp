#include "run/run_folder.hpp"

#include <algorithm>
#include <set>

#include "core/log.hpp"
#include "output/prune_run.hpp"
#include "run/changed_images.hpp"
#include "run/folder_parts.hpp"
#include "run/record_state.hpp"

namespace ditbatch {

std::string part_name(std::optional<ManifestPart> const& part) {
  return part ? part_name(part->index) : "";
}

RunFolder::RunFolder(RunConfig const& config, RunOptions const& options, JobInput& input)
    : part_(part_name(options.part)), lock_(config.job.run_dir, part_) {
  std::string const& run_dir = config.job.run_dir;
  std::string const& part = part_;
  require_one_file_system(run_dir);
  agree_on_parts(run_dir, options, config.job.manifest);
  index_path = ditbatch::index_path(run_dir, part);
  failed_path = ditbatch::failed_path(run_dir, part);
  contents = scan_run(run_dir, part);
  for (std::string const& partial : contents.partials) {
    Salvage const salvage = salvage_partial(
        partial, run_dir, part, contents,
        lock_.has_unproven_predecessor() ? LastWriter::perhaps_alive : LastWriter::gone);
    log_info(partial + ": " + std::to_string(salvage.kept_rows) +
             " images of a job that ended early were kept");
  }

  std::vector<ImageRecord> wanted = std::move(input.records);
  if (options.only) {
    std::erase_if(wanted, [&](ImageRecord const& record) {
      return options.only->count({record.id, record.index}) == 0;
    });
  }
  RecordJudge judge(input, run_dir);
  refuse_or_withdraw_changed(input, options, wanted, judge);
  rebuild_index(index_path, run_dir, contents, part);

  Failures failures;
  if (options.failed == RunOptions::Failed::skip)
    failures = failures_with(to_hex(input.model.checkpoint.id), read_failed_lines(failed_path));
  for (ImageRecord& record : wanted) {
    switch (state_of(record, contents, failures)) {
      case RecordState::taken_out:
        taken_out += 1;
        break;
      case RecordState::done:
        already_done += 1;
        break;
      case RecordState::failed_before:
        if (known_failed++ == 0)
          first_failure = image_name(record.key()) + ": " + failures.at(record.key());
        break;
      case RecordState::to_make:
        if (!options.limit || to_do.size() < *options.limit)
          to_do.push_back(std::move(record));
        else
          beyond_limit += 1;
        break;
    }
  }
}

void RunFolder::refuse_or_withdraw_changed(JobInput const& input, RunOptions const& options,
                                           std::vector<ImageRecord> const& wanted,
                                           RecordJudge& judge) {
  std::vector<ImageRecord const*> records;
  std::set<ImageKey> changed;
  for (ImageRecord const& record : wanted) {
    auto const done = contents.done.find({record.id, record.index});
    if (done == contents.done.end() || judge.is_unchanged(record, done->second)) continue;
    changed.insert(done->first);
    records.push_back(&record);
  }
  if (options.changed == RunOptions::Changed::refuse) {
    Problems problems;
    explain_changes(input, records, ListAll::no, problems);
    problems.throw_if_any();
  }
  if (changed.empty()) return;
  log_info(std::to_string(changed.size()) + " images of changed records are taken out");
  auto const is_changed = [&](RowKey const& row) {
    return changed.count({row.id, row.index}) != 0;
  };
  take_out(input.config.job.run_dir, part_, plan_prune(input.config.job.run_dir, {}, is_changed));
  contents = scan_run(input.config.job.run_dir, part_);
}

void RunFolder::forget_mended_failures(RunConfig const& config) {
  std::vector<FailedLine> lines = read_failed_lines(failed_path);
  if (lines.empty()) return;
  RunContents const now = scan_run(config.job.run_dir, part_);
  std::size_t const before = lines.size();
  auto const is_done = [&](FailedLine const& line) {
    return now.done.count({line.id, line.index}) != 0;
  };
  lines.erase(std::remove_if(lines.begin(), lines.end(), is_done), lines.end());
  if (lines.size() != before) write_failed_lines(failed_path, lines);
}

}  // namespace ditbatch
