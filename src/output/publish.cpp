#include "output/publish.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "output/plain_file.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

[[noreturn]] void fail(std::string const& path, char const* what) {
  throw Error(ExitCode::io, path + ": " + what + " failed (" + std::strerror(errno) + "; " +
                                free_space_text(path) + ") check space, quota and permissions");
}

void sync(std::string const& path, int flags) {
  UniqueDescriptor const file(::open(path.c_str(), flags | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) fail(path, "fsync");
}

// rename() that refuses to replace. Where the kernel or file system cannot: a hard link, which
// refuses too.
void rename_to_new(std::string const& from, std::string const& to) {
  constexpr unsigned no_replace = 1;  // RENAME_NOREPLACE
  if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), no_replace) == 0)
    return;
  if (errno != EINVAL && errno != ENOSYS) fail(to, "rename");
  if (::link(from.c_str(), to.c_str()) != 0) fail(to, "link");
  if (::unlink(from.c_str()) != 0) fail(from, "unlink");
}

// Whether the last line was cut off by a crash: what is appended must not become a part of it.
bool ends_in_mid_line(int file) {
  off_t const size = ::lseek(file, 0, SEEK_END);
  char last = '\n';
  return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

void append_line(std::string const& path, std::string const& line) {
  UniqueDescriptor file(::open(path.c_str(), O_CREAT | O_APPEND | O_RDWR | O_CLOEXEC, 0666));
  if (!file) fail(path, "open");
  std::string const text = (ends_in_mid_line(file.get()) ? "\n" : "") + line + "\n";
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    std::string const what = "write of " + std::to_string(text.size()) + " bytes";
    fail(path, what.c_str());
  }
  if (::fsync(file.get()) != 0) fail(path, "fsync");
  if (::close(file.release()) != 0) fail(path, "close");
}

}  // namespace

std::string size_folder(std::int64_t width_px, std::int64_t height_px) {
  return std::to_string(width_px) + "x" + std::to_string(height_px);
}

std::string shard_path(std::int64_t width_px, std::int64_t height_px, int number,
                       std::string const& part) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%06d", number);
  return "shards/" + size_folder(width_px, height_px) + "/" + (part.empty() ? "" : part + "-") +
         digits + ".h5";
}

PublishedShard publish_shard(std::string const& partial, std::string const& run_dir,
                             std::string const& file) {
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
      std::string const broken = broken_part(read);
      require(broken.empty(), ExitCode::io,
              partial + ": row " + std::to_string(row) + " (" + read.id + ") is broken: " + broken +
                  " (what was read back is not what was written) check the file system");
      published.keys.push_back({read.id, read.index});
    }
    published.rows = shard.rows();
  }
  published.sha256 = sha256_of_file(partial);
  published.bytes = fs::file_size(partial);

  struct stat status {};
  if (::stat(partial.c_str(), &status) != 0) fail(partial, "stat");
  if (::chmod(partial.c_str(), status.st_mode & ~static_cast<mode_t>(0222)) != 0)
    fail(partial, "chmod");
  sync(partial, O_RDONLY);
  std::string const target = run_dir + "/" + file;
  fs::path const folder = fs::path(target).parent_path();
  if (fs::create_directories(folder)) {
    sync(folder.parent_path(), O_RDONLY | O_DIRECTORY);
    sync(run_dir, O_RDONLY | O_DIRECTORY);
  }
  rename_to_new(partial, target);
  sync(folder, O_RDONLY | O_DIRECTORY);
  sync(fs::path(partial).parent_path(), O_RDONLY | O_DIRECTORY);
  return published;
}

void append_index_line(std::string const& path, PublishedShard const& shard) {
  append_line(path, json{{"file", shard.file},
                         {"rows", shard.rows},
                         {"bytes", shard.bytes},
                         {"sha256", to_hex(shard.sha256)}}
                        .dump());
}

std::vector<IndexLine> read_index_lines(std::string const& path) {
  std::vector<IndexLine> lines;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    json const parsed = json::parse(text, nullptr, false);
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
  append_line(path, json{{"id", line.id},
                         {"index", line.index},
                         {"attempts", line.attempts},
                         {"error", line.error}}
                        .dump(-1, ' ', false, json::error_handler_t::replace));
}

std::vector<FailedLine> read_failed_lines(std::string const& path) {
  std::vector<FailedLine> lines;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    json const parsed = json::parse(text, nullptr, false);
    try {
      lines.push_back(
          {parsed.at("id"), parsed.at("index"), parsed.at("attempts"), parsed.at("error")});
    } catch (json::exception const&) {
      // Cut off by a crash: the record is tried again.
    }
  }
  return lines;
}

namespace {

// All lines or the old file: written beside it, then moved over it.
template <class Lines, class Append>
void replace_lines(std::string const& path, Lines const& lines, Append append) {
  std::string const fresh = path + ".new";
  fs::remove(fresh);
  for (auto const& line : lines) append(fresh, line);
  if (lines.empty()) {
    fs::remove(path);
  } else if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    fail(path, "rename");
  }
  fs::path const folder = fs::path(path).parent_path();
  sync(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace

void write_failed_lines(std::string const& path, std::vector<FailedLine> const& lines) {
  replace_lines(path, lines, append_failed_line);
}

void write_index_lines(std::string const& path, std::vector<IndexLine> const& lines) {
  replace_lines(path, lines, [](std::string const& fresh, IndexLine const& line) {
    append_line(fresh, json{{"file", line.file},
                            {"rows", line.rows},
                            {"bytes", line.bytes},
                            {"sha256", line.sha256}}
                           .dump());
  });
}

}  // namespace ditbatch
