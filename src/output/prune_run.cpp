#include "output/prune_run.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "core/error.hpp"
#include "output/plain_file.hpp"
#include "output/publish.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "output/withdraw_rows.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// A record that was taken out is no failure that waits to be tried again.
void forget_failures(std::string const& run_dir, Tombstones const& tombstones) {
  for (PartFile const& file : failed_files(run_dir)) {
    std::vector<FailedLine> lines = read_failed_lines(file.path);
    auto const is_taken_out = [&](FailedLine const& line) {
      return tombstones.hold({line.id, line.index});
    };
    if (std::erase_if(lines, is_taken_out) > 0) write_failed_lines(file.path, lines);
  }
}

}  // namespace

std::uint64_t PrunePlan::taken_images() const {
  std::uint64_t count = 0;
  for (Shard const& shard : changed) count += shard.taken.size();
  return count;
}

std::uint64_t PrunePlan::emptied_shards() const {
  return static_cast<std::uint64_t>(std::count_if(
      changed.begin(), changed.end(), [](Shard const& shard) { return shard.kept.empty(); }));
}

PrunePlan plan_prune(std::string const& run_dir, Tombstones const& tombstones,
                     std::function<bool(RowKey const&)> const& is_chosen) {
  PrunePlan plan;
  for (std::string const& file : shard_files(run_dir)) {
    ShardFile const open = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    PrunePlan::Shard shard{file, {}, {}};
    std::vector<RowKey> const keys = open.read_keys();
    for (std::uint64_t row = 0; row < keys.size(); ++row) {
      ImageKey const key{keys[row].id, keys[row].index};
      if (tombstones.hold(key) || is_chosen(keys[row]))
        shard.taken.push_back(key);
      else
        shard.kept.push_back(row);
    }
    plan.shards += 1;
    plan.images += keys.size();
    if (!shard.taken.empty()) plan.changed.push_back(std::move(shard));
  }
  return plan;
}

void take_out(std::string const& run_dir, std::optional<std::string> const& part,
              PrunePlan const& plan) {
  std::vector<std::string> files;
  for (PrunePlan::Shard const& shard : plan.changed) files.push_back(shard.file);
  leave_out_of_indexes(run_dir, files);
  for (PrunePlan::Shard const& shard : plan.changed) {
    auto const name = parse_shard_path(shard.file);
    take_rows_out(run_dir, part ? *part : name ? name->part : "", shard.file, shard.kept);
  }
}

void carry_out(std::string const& run_dir, PrunePlan const& plan, Tombstones const& tombstones) {
  write_tombstones(run_dir, tombstones);
  take_out(run_dir, std::nullopt, plan);
  forget_failures(run_dir, tombstones);
  // Both may hold the same images.
  remove_withdrawn(run_dir);
  std::string const regenerated = regenerated_folder(run_dir);
  std::error_code error;
  fs::remove_all(regenerated, error);
  require(!error, ExitCode::io,
          regenerated + ": cannot be removed (" + error.message() + ") check permissions");
  rebuild_indexes(run_dir);
}

}  // namespace ditbatch
