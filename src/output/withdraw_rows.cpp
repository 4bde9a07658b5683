#include "output/withdraw_rows.hpp"

#include <filesystem>
#include <map>

#include "core/error.hpp"
#include "output/flush_journal.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// A name that no file has: a shard with the same number may have been withdrawn before.
fs::path free_name(fs::path const& folder, std::string const& stem) {
  fs::path path = folder / (stem + ".h5");
  for (int i = 1; fs::exists(path); ++i) path = folder / (stem + "-" + std::to_string(i) + ".h5");
  return path;
}

}  // namespace

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
  std::string const full = run_dir + "/" + file;
  std::string const size = fs::path(file).parent_path().filename();
  std::string const stem = size + "-" + fs::path(file).stem().string();
  std::string const copy =
      run_dir + "/.work/partial-" + (part.empty() ? "" : part + "-") + "kept-of-" + stem + ".h5";
  std::string target;
  if (!kept.empty()) {
    remove_with_journal(copy);  // of an attempt that was cut off
    copy_rows(full, kept, copy);
    ShardFile const finished = ShardFile::open(copy, H5Access::read);
    target = shard_path(finished.width_px(), finished.height_px(), number, part);
  }
  fs::path const folder = fs::path(run_dir) / ".work" / "withdrawn";
  fs::create_directories(folder);
  Withdrawal withdrawal;
  withdrawal.moved_to = free_name(folder, stem);
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
        ShardFile::open(run_dir + "/" + file, H5Access::read).read_keys();
    std::vector<std::uint64_t> kept;
    for (std::uint64_t row = 0; row < keys.size(); ++row) {
      if (images.count({keys[row].id, keys[row].index}) == 0) kept.push_back(row);
    }
    if (kept.size() == keys.size()) continue;
    int& next = next_number[fs::path(file).parent_path().filename()];
    if (withdraw_rows(run_dir, file, kept, part, next).published) next += 1;
  }
}

}  // namespace ditbatch
