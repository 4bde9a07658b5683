#include "output/scan_run.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/log.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// "000012.h5" or "p0007-000012.h5" of this part -> 12
std::optional<int> shard_number(std::string const& name, std::string const& part) {
  std::string const prefix = part.empty() ? "" : part + "-";
  if (name.size() != prefix.size() + 9 || name.rfind(prefix, 0) != 0 ||
      name.substr(name.size() - 3) != ".h5")
    return std::nullopt;
  std::string const digits = name.substr(prefix.size(), 6);
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::atoi(digits.c_str());
}

std::vector<fs::path> sorted_entries(fs::path const& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

RunContents scan_run(std::string const& run_dir, std::string const& part) {
  RunContents contents;
  for (fs::path const& size : sorted_entries(run_dir + "/shards")) {
    if (!fs::is_directory(size)) continue;
    for (fs::path const& file : sorted_entries(size)) {
      if (file.extension() != ".h5") continue;
      if (auto const number = shard_number(file.filename(), part)) {
        int& next = contents.next_shard_number[size.filename()];
        next = std::max(next, *number + 1);
      }
      contents.shards.push_back("shards/" + size.filename().string() + "/" +
                                file.filename().string());
      ShardFile const shard = ShardFile::open(file, H5Access::read);
      require(shard.is_complete(), ExitCode::io,
              file.string() +
                  ": a published shard is not complete (it was changed) run ditbatch verify");
      for (std::uint64_t row = 0; row < shard.rows(); ++row) {
        ShardRow const read = shard.read(row, ShardFile::Part::columns);
        contents.done.emplace(ImageKey{read.id, read.index}, read.record_sha256);
      }
    }
  }
  std::string const prefix = "partial-" + (part.empty() ? "" : part + "-");
  for (fs::path const& file : sorted_entries(run_dir + "/.work")) {
    std::string const name = file.filename();
    bool const others = part.empty() && name.rfind("partial-p", 0) == 0;
    if (name.rfind(prefix, 0) == 0 && !others && file.extension() == ".h5")
      contents.partials.push_back(file);
  }
  return contents;
}

Salvage salvage_partial(std::string const& partial, std::string const& run_dir,
                        std::string const& part, RunContents& contents) {
  Salvage salvage;
  std::string file;
  std::vector<std::pair<ImageKey, Sha256Digest>> kept;
  try {
    ShardFile shard = ShardFile::open(partial, H5Access::change);
    // Rows are kept up to the first that does not verify or is there already: what follows is made
    // again.
    for (std::uint64_t row = 0; row < shard.rows(); ++row) {
      ShardRow const read = shard.read(row, ShardFile::Part::everything);
      if (!broken_part(read).empty()) break;
      if (contents.done.count({read.id, read.index}) != 0) {
        salvage.doubled_rows += 1;
        break;
      }
      kept.emplace_back(ImageKey{read.id, read.index}, read.record_sha256);
    }
    salvage.kept_rows = kept.size();
    salvage.lost_rows = shard.rows() - kept.size() - salvage.doubled_rows;
    shard.truncate(salvage.kept_rows);
    if (!kept.empty()) {
      int& next = contents.next_shard_number[size_folder(shard.width_px(), shard.height_px())];
      file = shard_path(shard.width_px(), shard.height_px(), next++, part);
      shard.finish();
    }
  } catch (Error const& error) {
    log_warning(partial + " holds no flushed row that can be read (" + error.what() +
                "); its images are made again");
    kept.clear();
    salvage = {};
  }
  if (kept.empty()) {
    fs::remove(partial);
    return salvage;
  }
  salvage.published = publish_shard(partial, run_dir, file);
  contents.shards.push_back(file);
  contents.done.insert(kept.begin(), kept.end());
  return salvage;
}

void rebuild_index(std::string const& path, std::string const& run_dir, RunContents const& contents,
                   std::string const& part) {
  std::set<std::string> wanted;
  for (std::string const& shard : contents.shards) {
    if (shard_number(fs::path(shard).filename(), part)) wanted.insert(shard);
  }
  std::set<std::string> listed;
  std::ifstream old(path);
  std::string line;
  bool readable = true;
  while (std::getline(old, line)) {
    auto const parsed = nlohmann::json::parse(line, nullptr, false);
    readable = readable && parsed.is_object() && listed.insert(parsed.value("file", "")).second;
  }
  if (readable && listed == wanted) return;
  fs::remove(path);
  for (std::string const& shard : wanted) {
    std::string const full = run_dir + "/" + shard;
    std::uint64_t const rows = ShardFile::open(full, H5Access::read).rows();
    append_index_line(path, {shard, rows, fs::file_size(full), sha256_of_file(full), {}});
  }
}

std::string session_folder(std::string const& run_dir, int session) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%04d", session);
  return run_dir + "/sessions/" + digits;
}

int make_session_folder(std::string const& run_dir) {
  fs::create_directories(run_dir + "/sessions");
  int session = 1;
  // create_directory says whether this call made it: two jobs of an array never take one number.
  while (!fs::create_directory(session_folder(run_dir, session))) ++session;
  for (char const* name : {"/trace", "/logs"})
    fs::create_directory(session_folder(run_dir, session) + name);
  return session;
}

}  // namespace ditbatch
