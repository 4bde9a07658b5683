#include "run/check_folder.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "output/scan_run.hpp"
#include "run/record_judge.hpp"
#include "run/record_state.hpp"
#include "run/run_folder.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// The folder, or the nearest one above it that is there already.
fs::path nearest_folder(fs::path path) {
  std::error_code none;
  while (path.has_parent_path() && path != path.parent_path() && !fs::exists(path, none))
    path = path.parent_path();
  return path;
}

// -> whether its contents can be read
bool look_at_place(std::string const& run_dir, FolderOutlook& outlook) {
  fs::path const there = nearest_folder(run_dir);
  std::error_code none;
  if (!fs::is_directory(there, none)) {
    outlook.barriers.push_back(there.string() + ": is no folder (the run folder is to be " +
                               run_dir + ") take it away, or name another [job] run_dir");
    return false;
  }
  if (::access(there.c_str(), W_OK | X_OK) != 0)
    outlook.barriers.push_back(there.string() + ": cannot be written (" + std::strerror(errno) +
                               ") check its owner and permissions");
  auto const space = fs::space(there, none);
  if (!none) outlook.free_bytes = space.available;
  if (fs::exists(stop_path(run_dir), none))
    outlook.barriers.push_back(stop_path(run_dir) +
                               ": is there (a job that finds it ends at once) remove it");
  return there == fs::path(run_dir);
}

void look_for_jobs(std::string const& run_dir, std::string const& own_part,
                   FolderOutlook& outlook) {
  std::vector<std::string> paths;
  for (PartFile const& file : lock_files(run_dir))
    if (file.part == own_part || own_part.empty() || file.part.empty()) paths.push_back(file.path);
  std::vector<LockOwnerState> const states = look_for_owners(paths);
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (states[i] == LockOwnerState::alive)
      outlook.barriers.push_back(paths[i] + ": the run folder is in use (by " +
                                 lock_owner_text(paths[i]) + ") wait for that job");
}

void look_at_records(JobInput const& input, std::string const& part, ListAll all,
                     FolderOutlook& outlook) {
  std::string const& run_dir = input.config.job.run_dir;
  RunContents const contents = scan_run(run_dir, part);
  outlook.partials = contents.partials.size();
  Failures const failures = failures_with(to_hex(input.model.checkpoint.id),
                                          read_failed_lines(failed_path(run_dir, part)));
  RecordJudge judge(input, run_dir);
  std::vector<ImageRecord const*> changed;
  for (ImageRecord const& record : input.records) {
    switch (state_of(record, contents, failures)) {
      case RecordState::taken_out:
        outlook.taken_out += 1;
        break;
      case RecordState::done:
        outlook.made += 1;
        if (!judge.is_unchanged(record, contents.done.at(record.key()))) changed.push_back(&record);
        break;
      case RecordState::failed_before:
        outlook.failed_before += 1;
        break;
      case RecordState::to_make:
        outlook.to_make += 1;
        outlook.to_make_by_size[size_folder(record.width_px, record.height_px)] += 1;
        outlook.pixel_bytes += static_cast<std::uint64_t>(record.width_px * record.height_px * 3);
        break;
    }
  }
  explain_changes(input, changed, all, outlook.changes);
}

// By what the shards take now, size by size; of a size without shards by its pixels.
void estimate_disk(JobInput const& input, FolderOutlook& outlook) {
  struct Taken {
    std::uint64_t bytes = 0, images = 0;
  };
  std::map<std::string, Taken> taken;
  for (auto const& [file, line] : read_all_indexes(input.config.job.run_dir)) {
    Taken& size = taken[size_of_shard(file)];
    size.bytes += line.bytes;
    size.images += line.rows;
  }
  std::uint64_t bytes = 0;
  for (auto const& [size, images] : outlook.to_make_by_size) {
    auto const known = taken.find(size);
    if (known == taken.end() || known->second.images == 0) return;
    bytes += known->second.bytes * images / known->second.images;
  }
  outlook.disk_bytes = bytes;
}

std::optional<EarlierPace> earlier_pace(std::string const& run_dir) {
  std::vector<int> const sessions = session_numbers(run_dir);
  for (auto session = sessions.rbegin(); session != sessions.rend(); ++session) {
    json const told = json_file_or_discarded(session_paths(run_dir, *session).summary);
    if (!told.is_object()) continue;
    try {
      EarlierPace const pace{*session, static_cast<int>(told.at("ranks").size()),
                             told.at("images_per_s")};
      if (pace.images_per_s > 0 && pace.ranks > 0) return pace;
    } catch (json::exception const&) {
      // Of another version, or cut off.
    }
  }
  return std::nullopt;
}

}  // namespace

FolderOutlook look_at_folder(JobInput const& input, std::optional<ManifestPart> part, ListAll all) {
  FolderOutlook outlook;
  std::string const& run_dir = input.config.job.run_dir;
  std::string const own_part = part_name(part);
  bool const is_there = look_at_place(run_dir, outlook);
  try {
    look_at_records(input, own_part, all, outlook);
    if (is_there) {
      look_for_jobs(run_dir, own_part, outlook);
      estimate_disk(input, outlook);
      outlook.pace = earlier_pace(run_dir);
    }
  } catch (Error const& error) {
    outlook.barriers.push_back(error.what());
  }
  std::uint64_t const needed = outlook.disk_bytes.value_or(0);
  if (outlook.free_bytes && needed > *outlook.free_bytes)
    outlook.barriers.push_back(run_dir + ": " + std::to_string(needed) + " bytes are to come and " +
                               std::to_string(*outlook.free_bytes) +
                               " are free (judged by the shards that are there) make room");
  return outlook;
}

}  // namespace ditbatch
