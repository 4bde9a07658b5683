#include "output/repair_run.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"
#include "output/withdraw_rows.hpp"

namespace ditbatch {

namespace {

// The rows of one shard that can stay; why the others cannot is added to the report.
std::vector<std::uint64_t> sound_rows(std::string const& run_dir, std::string const& file,
                                      std::set<ImageKey>& seen, RepairReport& report) {
  std::vector<std::uint64_t> kept;
  ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
  for (std::uint64_t row = 0; row < shard.rows(); ++row) {
    std::string where = file + ": row " + std::to_string(row);
    try {
      ShardRow const read = shard.read(row, ShardFile::Part::everything);
      std::string problem = broken_part(read);
      if (problem.empty() && !seen.insert({read.id, read.index}).second)
        problem = "stands in another shard too";
      if (problem.empty()) {
        kept.push_back(row);
        continue;
      }
      where += " (" + image_name({read.id, read.index}) + "): " + problem;
    } catch (Error const& error) {
      where += unreadable_text(shard, row, error);
    }
    report.lines.push_back(std::move(where));
    report.withdrawn_images += 1;
  }
  return kept;
}

// Whether the file itself is as it was published. A flipped byte may lie where no row is stored:
// then the rows are copied into a file that is sound as a whole.
bool is_whole(std::string const& run_dir, std::string const& file, std::size_t sound,
              std::map<std::string, IndexLine> const& index) {
  ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
  auto const listed = index.find(file);
  return shard.is_complete() && shard.is_even() && sound == shard.rows() &&
         (listed == index.end() ||
          listed->second.sha256 == to_hex(sha256_of_file(shard_in(run_dir, file))));
}

// What numbers the shards of a size and part.
std::string numbering(ShardName const& name) { return name.part + "/" + name.size; }

std::string text_of(std::string const& file, Withdrawal const& withdrawal, std::size_t sound) {
  std::string const moved = file + ": moved to " + withdrawal.moved_to;
  if (!withdrawal.published) return moved + ", no image of it was sound";
  return moved + ", its " + std::to_string(sound) + " sound images are in " +
         withdrawal.published->file;
}

// A file with a name of another program's is as good as a shard of the whole folder.
ShardName name_of(std::string const& file) {
  return parse_shard_path(file).value_or(ShardName{size_of_shard(file), 0, ""});
}

}  // namespace

RepairReport repair_run(std::string const& run_dir) {
  RepairReport report;
  std::set<ImageKey> seen;
  // Numbers stay free of gaps and doubles per part; a withdrawn shard's number is not used again.
  std::map<std::string, int> next_number;
  std::vector<std::string> const files = shard_files(run_dir);
  std::map<std::string, IndexLine> const index = read_all_indexes(run_dir);
  for (std::string const& file : files) {
    ShardName const name = name_of(file);
    int& next = next_number[numbering(name)];
    next = std::max(next, name.number + 1);
  }
  for (std::string const& file : files) {
    std::vector<std::uint64_t> kept;
    try {
      kept = sound_rows(run_dir, file, seen, report);
      if (is_whole(run_dir, file, kept.size(), index)) {
        report.sound_shards += 1;
        continue;
      }
    } catch (Error const& error) {
      report.lines.push_back(file + ": cannot be opened (" + std::string(error.what()) + ")");
    }
    // Broken is what was read and is wrong. What the system does not let us read may be sound.
    (void)sha256_of_file(shard_in(run_dir, file));
    ShardName const name = name_of(file);
    int& next = next_number[numbering(name)];
    Withdrawal const withdrawal = withdraw_rows(run_dir, file, kept, name.part, next);
    if (withdrawal.published) next += 1;
    report.withdrawn_shards += 1;
    report.lines.push_back(text_of(file, withdrawal, kept.size()));
  }
  // Indexes are caches: they are made from the shards again.
  for (PartFile const& file : index_files(run_dir))
    rebuild_index(file.path, run_dir, scan_run(run_dir, file.part), file.part);
  return report;
}

}  // namespace ditbatch
