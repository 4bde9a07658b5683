#include "output/scan_run.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"
#include "output/flush_journal.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

void add_version(RunContents& contents, std::string const& size, int version) {
  int& oldest = contents.schema_version.emplace(size, version).first->second;
  oldest = std::min(oldest, version);
}

}  // namespace

RunContents scan_run(std::string const& run_dir, std::string const& part) {
  RunContents contents;
  contents.taken_out = read_tombstones(run_dir);
  std::uint64_t standing = 0;
  ShardsFolder found = list_shards(run_dir);
  require(found.foreign.empty(), ExitCode::io,
          found.foreign.empty() ? "" : run_dir + "/" + foreign_text(found.foreign.front()));
  contents.shards = std::move(found.shards);
  for (std::string const& name : contents.shards) {
    if (auto const parsed = parse_shard_path(name); parsed && parsed->part == part) {
      int& next = contents.next_shard_number[parsed->size];
      next = std::max(next, parsed->number + 1);
    }
    std::string const file = shard_in(run_dir, name);
    ShardFile const shard = ShardFile::open(file, H5Access::read);
    require(shard.is_complete(), ExitCode::io,
            file + ": a published shard is not complete (it was changed) run ditbatch repair");
    add_version(contents, size_of_shard(name), shard.options().version);
    for (RowKey& row : shard.read_keys()) {
      ImageKey key{std::move(row.id), row.index};
      if (contents.taken_out.hold(key)) {
        standing += 1;
        continue;
      }
      auto const [at, is_new] = contents.done.emplace(std::move(key), row.record);
      if (!is_new)
        log_warning(file + ": " + image_name(at->first) +
                    " stands in an earlier shard too (run ditbatch repair)");
    }
  }
  if (standing > 0)
    log_warning(std::to_string(standing) + " images were taken out and still stand in shards of " +
                run_dir + " (a prune was cut off) run ditbatch prune " + run_dir);
  contents.partials = partial_files(run_dir, part);
  return contents;
}

namespace {

// Rows of a partial shard that verify and are not published yet.
struct GoodRows {
  std::vector<std::uint64_t> rows;
  std::map<ImageKey, PublishedRecord> keys;
};

GoodRows find_good_rows(ShardFile const& shard, RunContents const& contents, Salvage& salvage) {
  GoodRows good;
  for (std::uint64_t row = 0; row < shard.rows(); ++row) {
    try {
      ShardRow const read = shard.read(row, ShardFile::Part::everything);
      ImageKey const key{read.id, read.index};
      if (!broken_part(read).empty()) {
        salvage.lost_rows += 1;
      } else if (contents.taken_out.hold(key)) {
        salvage.taken_out_rows += 1;
      } else if (contents.done.count(key) != 0 || good.keys.count(key) != 0) {
        salvage.doubled_rows += 1;
      } else {
        good.keys.emplace(key, PublishedRecord{read.record_sha256, read.identity, read.session});
        good.rows.push_back(row);
      }
    } catch (Error const&) {
      salvage.lost_rows += 1;  // its bytes never reached the disk
    }
  }
  return good;
}

// The good rows as a finished file, and its path. Mostly they are the first ones, and the file is
// cut behind them as it is, or as a copy; with rows to leave out in between the rows are copied. So
// they are where whole images are left out, whose bytes a cut would leave in the file.
enum class LeftOut { broken_rows, whole_images };
std::string finish_with(ShardFile shard, std::vector<std::uint64_t> const& rows, LastWriter writer,
                        LeftOut left_out) {
  std::string const path = shard.path();
  std::string copy = cut_path(path);
  if (rows.back() + 1 == rows.size() && left_out == LeftOut::broken_rows) {
    { ShardFile const closed = std::move(shard); }  // HDF5 opens no file in two ways at once
    std::string finished = path;
    if (writer == LastWriter::perhaps_alive) {
      remove_with_journal(copy);
      fs::copy_file(path, copy);
      finished = copy;
    }
    ShardFile kept = ShardFile::open(finished, H5Access::change);
    kept.truncate(rows.size());
    kept.finish();
    return finished;
  }
  remove_with_journal(copy);
  ShardFile kept = ShardFile::create(copy, shard.options());
  for (std::uint64_t const row : rows) kept.append(shard.read(row, ShardFile::Part::everything));
  kept.finish();
  return copy;
}

// A new file's first page is held back until its first flush (journaled_file.hpp): a job that ended
// before that left zeros there, and lost nothing that it had promised.
bool was_never_flushed(std::string const& partial) {
  std::array<char, 8> signature{};
  naming_file(partial, [&] {
    read_at(open_file(partial, O_RDONLY).get(), signature.data(), signature.size(), 0);
  });
  return signature == std::array<char, 8>{};
}

// A file that the system does not let us open is an error; one that HDF5 cannot read was cut off
// before its first flush: later ones happen as a whole or not at all. Only for reading: a refused
// write, on a full disk, would look the same. A job that ended between making the file read-only
// and its new name left it so, and nobody but root could go on with it.
std::optional<ShardFile> open_partial(std::string const& partial) {
  naming_file(partial, [&] { make_writable(partial); });
  recover_file(partial);
  if (was_never_flushed(partial)) return std::nullopt;
  try {
    return ShardFile::open(partial, H5Access::read);
  } catch (Error const& error) {
    log_warning(partial + " holds no flushed row that can be read (" + error.what() +
                "); its images are made again");
    return std::nullopt;
  }
}

}  // namespace

Salvage salvage_partial(std::string const& partial, std::string const& run_dir,
                        std::string const& part, RunContents& contents, LastWriter writer) {
  Salvage salvage;
  std::optional<ShardFile> shard = open_partial(partial);
  GoodRows const good = shard ? find_good_rows(*shard, contents, salvage) : GoodRows{};
  if (good.rows.empty()) {
    shard.reset();
    fs::remove(partial);
    return salvage;
  }
  salvage.kept_rows = good.rows.size();
  std::string const size = size_folder(shard->width_px(), shard->height_px());
  int& next = contents.next_shard_number[size];
  std::string const file = shard_path({size, next, part});
  int const version = shard->options().version;
  LeftOut const left_out = salvage.doubled_rows + salvage.taken_out_rows > 0 ? LeftOut::whole_images
                                                                             : LeftOut::broken_rows;
  std::string const finished = finish_with(std::move(*shard), good.rows, writer, left_out);
  salvage.published = publish_shard(finished, run_dir, file);
  next += 1;
  // A copy was published: the original holds nothing more. Killed before this line, the next job
  // finds all its rows published.
  if (finished != partial) fs::remove(partial);
  contents.shards.push_back(file);
  add_version(contents, size, version);
  contents.done.insert(good.keys.begin(), good.keys.end());
  return salvage;
}

std::uint64_t salvage_all(std::string const& run_dir, LastWriter writer) {
  std::uint64_t rows = 0;
  for (std::string const& part : parts_with_partials(run_dir)) {
    RunContents contents = scan_run(run_dir, part);
    for (std::string const& partial : contents.partials)
      rows += salvage_partial(partial, run_dir, part, contents, writer).kept_rows;
  }
  return rows;
}

std::string unreadable_text(ShardFile const& shard, std::uint64_t row, Error const& error) {
  std::string name;
  try {
    ShardRow const read = shard.read(row, ShardFile::Part::columns);
    name = " (" + image_name({read.id, read.index}) + ")";
  } catch (Error const&) {
    // Its place has to do.
  }
  return name + ": cannot be read (" + error.what() + ")";
}

std::map<std::string, IndexLine> read_all_indexes(std::string const& run_dir) {
  std::map<std::string, IndexLine> lines;
  for (PartFile const& file : index_files(run_dir)) {
    for (IndexLine const& line : read_index_lines(file.path)) lines[line.file] = line;
  }
  return lines;
}

void rebuild_index(std::string const& path, std::string const& run_dir, RunContents const& contents,
                   std::string const& part) {
  std::vector<IndexLine> const old = read_index_lines(path);
  std::map<std::string, IndexLine> known;
  for (IndexLine const& line : old) known.emplace(line.file, line);
  std::vector<IndexLine> lines;
  bool is_changed = false;
  for (std::string const& shard : contents.shards) {
    auto const parsed = parse_shard_path(shard);
    if (!parsed || parsed->part != part) continue;
    std::string const full = shard_in(run_dir, shard);
    auto const found = known.find(shard);
    if (found != known.end()) {
      lines.push_back(found->second);  // hashed when it was published
      continue;
    }
    is_changed = true;
    lines.push_back({shard, ShardFile::open(full, H5Access::read).rows(), fs::file_size(full),
                     to_hex(sha256_of_file(full))});
  }
  if (is_changed || lines.size() != old.size()) write_index_lines(path, lines);
}

void rebuild_indexes(std::string const& run_dir) {
  std::set<std::string> parts;
  for (PartFile const& index : index_files(run_dir)) parts.insert(index.part);
  RunContents contents;
  contents.shards = shard_files(run_dir);
  for (std::string const& shard : contents.shards) {
    if (auto const name = parse_shard_path(shard)) parts.insert(name->part);
  }
  for (std::string const& part : parts)
    rebuild_index(index_path(run_dir, part), run_dir, contents, part);
}

void leave_out_of_indexes(std::string const& run_dir, std::vector<std::string> const& files) {
  std::set<std::string> const left_out(files.begin(), files.end());
  for (PartFile const& index : index_files(run_dir)) {
    std::vector<IndexLine> lines = read_index_lines(index.path);
    std::size_t const before = lines.size();
    std::erase_if(lines, [&](IndexLine const& line) { return left_out.count(line.file) != 0; });
    if (lines.size() != before) write_index_lines(index.path, lines);
  }
}

int make_session_folder(std::string const& run_dir) {
  fs::create_directories(run_dir + "/sessions");
  int session = 1;
  // create_directory says whether this call made it: two jobs of an array never take one number.
  while (!fs::create_directory(session_folder(run_dir, session))) ++session;
  SessionPaths const paths = session_paths(run_dir, session);
  for (std::string const& folder : {paths.trace, paths.logs}) fs::create_directory(folder);
  return session;
}

}  // namespace ditbatch
