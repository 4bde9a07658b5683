#include "output/repair_run.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"
#include "output/withdraw_rows.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// The rows of one shard.
struct JudgedRows {
  std::vector<std::uint64_t> kept;
  std::uint64_t broken = 0;
  std::uint64_t doubled = 0;
};

// What is known of all shards.
struct Images {
  std::set<ImageKey> sound;
  std::vector<ImageKey> broken;      // whose rows can be read
  std::uint64_t broken_unnamed = 0;  // others
};

// Why rows cannot stay is added to the report.
JudgedRows judge_rows(std::string const& run_dir, std::string const& file, Images& images,
                      RepairReport& report) {
  JudgedRows rows;
  ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
  for (std::uint64_t row = 0; row < shard.rows(); ++row) {
    std::string const where = file + ": row " + std::to_string(row);
    try {
      ShardRow const read = shard.read(row, ShardFile::Part::everything);
      ImageKey const key{read.id, read.index};
      std::string problem = broken_part(read);
      if (!problem.empty()) {
        rows.broken += 1;
        images.broken.push_back(key);
      } else if (images.sound.insert(key).second) {
        rows.kept.push_back(row);
        continue;
      } else {
        problem = "stands in another row too";
        rows.doubled += 1;
      }
      report.lines.push_back(where + " (" + image_name(key) + "): " + problem);
    } catch (Error const& error) {
      report.lines.push_back(where + unreadable_text(shard, row, error));
      rows.broken += 1;
      images.broken_unnamed += 1;
    }
  }
  report.broken_images += rows.broken;
  report.doubled_images += rows.doubled;
  return rows;
}

// Why the file itself is not as it was published; empty where it is. A flipped byte may lie where
// no row is stored: then the rows are copied into a file that is sound as a whole.
std::string problem_of_file(std::string const& run_dir, std::string const& file,
                            std::map<std::string, IndexLine> const& index) {
  ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
  if (!shard.is_complete()) return "is not marked complete";
  if (!shard.is_even()) return "its columns have different numbers of rows";
  if (size_of_shard(file) != size_folder(shard.width_px(), shard.height_px()))
    return "lies in the folder of another size";
  auto const listed = index.find(file);
  if (listed == index.end() ||
      listed->second.sha256 == to_hex(sha256_of_file(shard_in(run_dir, file))))
    return "";
  return "its bytes are not those that were published (SHA-256 differs from the index); a row that "
         "fits its own hashes is kept, but may have been written anew with them: verify "
         "--regenerate makes images again and compares";
}

// Withdrawn shards whose images all stand elsewhere by now are removed.
void clean_originals(std::string const& run_dir, Images const& images, RepairReport& report) {
  std::string const folder = withdrawn_folder(run_dir);
  std::error_code absent;
  for (fs::directory_entry const& entry : fs::directory_iterator(folder, absent)) {
    report.originals += 1;
    if (!fs::is_regular_file(entry.symlink_status())) continue;
    std::uint64_t const bytes = entry.file_size();
    report.original_bytes += bytes;
    try {
      std::vector<RowKey> const rows = ShardFile::open(entry.path(), H5Access::read).read_keys();
      bool const is_elsewhere = std::all_of(rows.begin(), rows.end(), [&](RowKey const& row) {
        return images.sound.count({row.id, row.index}) != 0;
      });
      if (!is_elsewhere) continue;
    } catch (Error const&) {
      continue;  // nobody knows what it holds
    }
    fs::remove(entry.path());
    report.originals -= 1;
    report.original_bytes -= bytes;
    report.removed_originals += 1;
  }
}

std::string text_of(std::string const& file, Withdrawal const& withdrawal, std::size_t sound) {
  std::string const moved = file + ": moved to " + withdrawal.moved_to;
  if (!withdrawal.published) return moved + ", no image of it was sound";
  return moved + ", its " + std::to_string(sound) + " sound images are in " +
         withdrawal.published->file;
}

// What has no shard's name, after all that have one: its sound rows are published under such a
// name, unless they stand elsewhere. What is no file at all is not opened, which could wait for
// ever.
void take_out_foreign(std::string const& run_dir, std::string const& file, Images& images,
                      std::map<std::string, int>& next_number, RepairReport& report) {
  std::vector<std::uint64_t> kept;
  std::error_code error;
  if (fs::is_regular_file(shard_in(run_dir, file), error)) {
    try {
      kept = judge_rows(run_dir, file, images, report).kept;
    } catch (Error const&) {
      (void)sha256_of_file(shard_in(run_dir, file));  // none of ours, if the system lets us read it
    }
  }
  Withdrawal const withdrawal = withdraw_rows(run_dir, file, kept, "", next_number);
  report.withdrawn_shards += 1;
  report.lines.push_back("no shard of this program: " + text_of(file, withdrawal, kept.size()));
}

}  // namespace

RepairReport repair_run(std::string const& run_dir, Originals originals) {
  RepairReport report;
  Images images;
  // Numbers stay free of gaps and doubles per part; a withdrawn shard's number is not used again.
  std::map<std::string, std::map<std::string, int>> next_number;  // by part, by size
  ShardsFolder const found = list_shards(run_dir);
  std::map<std::string, IndexLine> const index = read_all_indexes(run_dir);
  for (std::string const& file : found.shards) {
    ShardName const name = parse_shard_path(file).value();
    int& next = next_number[name.part][name.size];
    next = std::max(next, name.number + 1);
  }
  for (std::string const& file : found.shards) {
    std::string const part = parse_shard_path(file).value().part;
    JudgedRows rows;
    try {
      rows = judge_rows(run_dir, file, images, report);
      std::string const problem = problem_of_file(run_dir, file, index);
      if (!problem.empty()) report.lines.push_back(file + ": " + problem);
      if (problem.empty() && rows.broken == 0) {
        report.sound_shards += rows.doubled == 0 ? 1 : 0;
        report.rewritten_shards += rows.doubled == 0 ? 0 : 1;
        if (rows.doubled == 0) continue;
        leave_out_of_indexes(run_dir, {file});
        take_rows_out(run_dir, part, file, rows.kept);
        continue;
      }
    } catch (Error const& error) {
      report.lines.push_back(file + ": cannot be opened (" + std::string(error.what()) + ")");
    }
    // Broken is what was read and is wrong. What the system does not let us read may be sound.
    (void)sha256_of_file(shard_in(run_dir, file));
    Withdrawal const withdrawal = withdraw_rows(run_dir, file, rows.kept, part, next_number[part]);
    report.withdrawn_shards += 1;
    report.lines.push_back(text_of(file, withdrawal, rows.kept.size()));
  }
  for (std::string const& file : found.foreign)
    take_out_foreign(run_dir, file, images, next_number[""], report);
  // Indexes are caches: they are made from the shards again.
  rebuild_indexes(run_dir);
  report.missing_images = images.broken_unnamed;
  for (ImageKey const& key : images.broken)
    report.missing_images += images.sound.count(key) == 0 ? 1 : 0;
  if (originals == Originals::discard) remove_withdrawn(run_dir);
  clean_originals(run_dir, images, report);
  return report;
}

}  // namespace ditbatch
