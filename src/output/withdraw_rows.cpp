#include "output/withdraw_rows.hpp"

#include <filesystem>
#include <map>

#include "core/error.hpp"
#include "output/flush_journal.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

void copy_rows(std::string const& from, std::vector<std::uint64_t> const& rows,
               std::string const& to) {
  ShardFile const source = ShardFile::open(from, H5Access::read);
  ShardFile copy = ShardFile::create(to, source.options());
  for (std::uint64_t const row : rows) copy.append(source.read(row, ShardFile::Part::everything));
  copy.finish();
}

Withdrawal withdraw_rows(std::string const& run_dir, std::string const& file,
                         std::vector<std::uint64_t> const& kept, std::string const& part,
                         int number) {
  std::string const full = shard_in(run_dir, file);
  std::string const copy = partial_path(
      run_dir, part, "kept-of-" + size_of_shard(file) + "-" + fs::path(file).stem().string());
  std::string target;
  if (!kept.empty()) {
    remove_with_journal(copy);  // of an attempt that was cut off
    copy_rows(full, kept, copy);
    ShardFile const finished = ShardFile::open(copy, H5Access::read);
    target = shard_path({size_folder(finished.width_px(), finished.height_px()), number, part});
  }
  Withdrawal withdrawal;
  withdrawal.moved_to = withdrawn_path(run_dir, file);
  fs::create_directories(fs::path(withdrawal.moved_to).parent_path());
  std::error_code error;
  fs::rename(full, withdrawal.moved_to, error);
  require(!error, ExitCode::io,
          full + ": cannot be moved to " + withdrawal.moved_to + " (" + error.message() +
              ") check permissions");
  if (!kept.empty()) withdrawal.published = publish_shard(copy, run_dir, target);
  return withdrawal;
}

void withdraw_images(std::string const& run_dir, std::string const& part,
                     std::set<ImageKey> const& images, RunContents const& contents) {
  std::map<std::string, int> next_number = contents.next_shard_number;
  for (std::string const& file : contents.shards) {
    std::vector<RowKey> const keys =
        ShardFile::open(shard_in(run_dir, file), H5Access::read).read_keys();
    std::vector<std::uint64_t> kept;
    for (std::uint64_t row = 0; row < keys.size(); ++row) {
      if (images.count({keys[row].id, keys[row].index}) == 0) kept.push_back(row);
    }
    if (kept.size() == keys.size()) continue;
    int& next = next_number[size_of_shard(file)];
    if (withdraw_rows(run_dir, file, kept, part, next).published) next += 1;
  }
}

}  // namespace ditbatch
