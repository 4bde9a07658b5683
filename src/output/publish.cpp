#include "output/publish.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "core/file_calls.hpp"
#include "core/json_text.hpp"
#include "core/read_text_file.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

[[noreturn]] void fail(std::string const& path, char const* what) {
  throw io_error(path, std::system_error(errno, std::generic_category(), what));
}

void sync(std::string const& path, int flags) {
  naming_file(path, [&] { sync_file(open_file(path, flags).get()); });
}

// Whether the last line was cut off by a crash: what is appended must not become a part of it.
bool ends_in_mid_line(int file) {
  off_t const size = ::lseek(file, 0, SEEK_END);
  char last = '\n';
  return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

void append_line(std::string const& path, std::string const& line) {
  UniqueDescriptor file =
      naming_file(path, [&] { return open_file(path, O_CREAT | O_APPEND | O_RDWR | O_NOFOLLOW); });
  std::string const text = (ends_in_mid_line(file.get()) ? "\n" : "") + line + "\n";
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    std::string const what = "write of " + std::to_string(text.size()) + " bytes";
    fail(path, what.c_str());
  }
  if (::fsync(file.get()) != 0) fail(path, "fsync");
  if (::close(file.release()) != 0) fail(path, "close");
}

std::string index_text(IndexLine const& line) {
  return to_text(json{
      {"file", line.file}, {"rows", line.rows}, {"bytes", line.bytes}, {"sha256", line.sha256}});
}

std::string failed_text(FailedLine const& line) {
  return to_text(json{{"id", line.id},
                      {"index", line.index},
                      {"attempts", line.attempts},
                      {"error", line.error},
                      {"checkpoint", line.checkpoint}});
}

void require_as_written(ShardRow const& row, std::uint64_t number, std::string const& partial) {
  std::string const broken = broken_part(row);
  require(broken.empty(), ExitCode::io,
          partial + ": row " + std::to_string(number) + " (" + row.id + ") is broken: " + broken +
              " (what was read back is not what was written) check the file system");
}

}  // namespace

PublishedShard publish_shard(std::string const& partial, std::string const& run_dir,
                             std::string const& file, Existing existing) {
  PublishedShard published;
  published.file = file;
  {
    ShardFile const shard = ShardFile::open(partial, H5Access::read);
    require(shard.is_complete(), ExitCode::io,
            partial + ": is not finished (it was cut off) it is not published");
    require(shard.is_even(), ExitCode::io,
            partial +
                ": its columns have different numbers of rows (what was read back is not "
                "what was written) check the file system");
    for (std::uint64_t row = 0; row < shard.rows(); ++row) {
      ShardRow const read = shard.read(row, ShardFile::Part::everything);
      require_as_written(read, row, partial);
      published.keys.push_back({read.id, read.index});
    }
    published.rows = shard.rows();
  }
  published.sha256 = sha256_of_file(partial);
  published.bytes = fs::file_size(partial);

  {
    FileCall const call("chmod", partial);
    struct stat status {};
    if (::stat(partial.c_str(), &status) != 0) fail(partial, "stat");
    if (::chmod(partial.c_str(), status.st_mode & ~static_cast<mode_t>(0222)) != 0)
      fail(partial, "chmod");
  }
  sync(partial, O_RDONLY);
  std::string const target = shard_in(run_dir, file);
  fs::path const folder = fs::path(target).parent_path();
  if (fs::create_directories(folder)) {
    sync(folder.parent_path(), O_RDONLY | O_DIRECTORY);
    sync(run_dir, O_RDONLY | O_DIRECTORY);
  }
  if (existing == Existing::refuse)
    naming_file(target, [&] { rename_to_new(partial, target); });
  else if (std::rename(partial.c_str(), target.c_str()) != 0)
    fail(target, "rename");
  sync(folder, O_RDONLY | O_DIRECTORY);
  sync(fs::path(partial).parent_path(), O_RDONLY | O_DIRECTORY);
  return published;
}

void require_one_file_system(std::string const& run_dir) {
  struct stat work {};
  if (::stat(work_folder(run_dir).c_str(), &work) != 0) fail(work_folder(run_dir), "stat");
  std::vector<std::string> folders{run_dir + "/shards"};
  for (std::string const& file : shard_files(run_dir)) {
    std::string const folder = fs::path(shard_in(run_dir, file)).parent_path();
    if (folder != folders.back()) folders.push_back(folder);
  }
  for (std::string const& folder : folders) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) continue;  // made when a shard is published
    require(status.st_dev == work.st_dev, ExitCode::io,
            folder + ": lies on another file system than " + work_folder(run_dir) +
                " (a shard is published by renaming it) put the whole run folder on one");
  }
}

void append_index_line(std::string const& path, PublishedShard const& shard) {
  append_line(path, index_text({shard.file, shard.rows, shard.bytes, to_hex(shard.sha256)}));
}

std::vector<IndexLine> read_index_lines(std::string const& path) {
  std::vector<IndexLine> lines;
  std::istringstream file(read_text_file(path).value_or(""));
  for (std::string text; std::getline(file, text);) {
    json const parsed = json_or_discarded(text);
    try {
      lines.push_back(
          {parsed.at("file"), parsed.at("rows"), parsed.at("bytes"), parsed.at("sha256")});
    } catch (json::exception const&) {
      // Cut off by a crash; the shards are the truth.
    }
  }
  return lines;
}

void append_failed_line(std::string const& path, FailedLine const& line) {
  append_line(path, failed_text(line));
}

std::vector<FailedLine> read_failed_lines(std::string const& path) {
  std::vector<FailedLine> lines;
  std::istringstream file(read_text_file(path).value_or(""));
  for (std::string text; std::getline(file, text);) {
    json const parsed = json_or_discarded(text);
    try {
      lines.push_back({parsed.at("id"), parsed.at("index"), parsed.at("attempts"),
                       parsed.at("error"), parsed.value("checkpoint", "")});
    } catch (json::exception const&) {
      // Cut off by a crash: the record is tried again.
    }
  }
  return lines;
}

namespace {

// All lines or the old file.
template <class Lines, class TextOf>
void replace_lines(std::string const& path, Lines const& lines, TextOf text_of) {
  if (lines.empty()) {
    naming_file(path, [&] {
      remove_file(path);
      sync_folder_of(path);
    });
    return;
  }
  std::string text;
  for (auto const& line : lines) text += text_of(line) + "\n";
  replace_file(path, text);
}

}  // namespace

void write_failed_lines(std::string const& path, std::vector<FailedLine> const& lines) {
  replace_lines(path, lines, failed_text);
}

void write_index_lines(std::string const& path, std::vector<IndexLine> const& lines) {
  replace_lines(path, lines, index_text);
}

}  // namespace ditbatch
