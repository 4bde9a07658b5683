#include "output/withdraw_rows.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "output/flush_journal.hpp"
#include "output/plain_file.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

void copy_rows(std::string const& from, std::vector<std::uint64_t> const& rows,
               std::string const& to) {
  ShardFile const source = ShardFile::open(from, H5Access::read);
  ShardFile copy = ShardFile::create(to, source.options());
  for (std::uint64_t const number : rows) {
    ShardRow const row = source.read(number, ShardFile::Part::everything);
    std::string const broken = broken_part(row);
    require(broken.empty(), ExitCode::io,
            from + ": row " + std::to_string(number) + " (" + row.id + ") is broken: " + broken +
                " run ditbatch repair");
    copy.append(row);
  }
  copy.finish();
}

namespace {

// Where the rows to keep of a published shard are copied to.
std::string kept_path(std::string const& run_dir, std::string const& part,
                      std::string const& file) {
  return partial_path(run_dir, part,
                      "kept-of-" + size_of_shard(file) + "-" + fs::path(file).stem().string());
}

}  // namespace

void take_rows_out(std::string const& run_dir, std::string const& part, std::string const& file,
                   std::vector<std::uint64_t> const& kept) {
  std::string const full = shard_in(run_dir, file);
  if (kept.empty()) {
    naming_file(full, [&] {
      remove_file(full);
      sync_folder_of(full);
    });
    std::error_code not_empty;
    fs::remove(fs::path(full).parent_path(), not_empty);
    return;
  }
  std::string const copy = kept_path(run_dir, part, file);
  remove_with_journal(copy);  // of an attempt that was cut off
  fs::create_directories(work_folder(run_dir));
  copy_rows(full, kept, copy);
  PublishedShard const published = publish_shard(copy, run_dir, file, Existing::replace);
  if (auto const name = parse_shard_path(file))
    append_index_line(index_path(run_dir, name->part), published);
}

Withdrawal withdraw_rows(std::string const& run_dir, std::string const& file,
                         std::vector<std::uint64_t> const& kept, std::string const& part,
                         std::map<std::string, int>& next_number) {
  std::string const full = shard_in(run_dir, file);
  std::string const copy = kept_path(run_dir, part, file);
  std::string size;
  if (!kept.empty()) {
    remove_with_journal(copy);  // of an attempt that was cut off
    copy_rows(full, kept, copy);
    ShardFile const finished = ShardFile::open(copy, H5Access::read);
    size = size_folder(finished.width_px(), finished.height_px());
  }
  Withdrawal withdrawal;
  withdrawal.moved_to = withdrawn_path(run_dir, file);
  fs::create_directories(fs::path(withdrawal.moved_to).parent_path());
  std::error_code error;
  fs::rename(full, withdrawal.moved_to, error);
  require(!error, ExitCode::io,
          full + ": cannot be moved to " + withdrawal.moved_to + " (" + error.message() +
              ") check permissions");
  if (!kept.empty()) {
    int& next = next_number[size];
    withdrawal.published = publish_shard(copy, run_dir, shard_path({size, next, part}));
    next += 1;
  }
  return withdrawal;
}

void remove_withdrawn(std::string const& run_dir) {
  std::string const folder = withdrawn_folder(run_dir);
  std::error_code error;
  fs::remove_all(folder, error);
  require(!error, ExitCode::io,
          folder + ": cannot be removed (" + error.message() + ") check permissions");
}

}  // namespace ditbatch
