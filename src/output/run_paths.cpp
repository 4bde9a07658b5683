#include "output/run_paths.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "core/error.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// A number as it stands in a name: at least so many digits, leading zeros up to then alone.
std::string digits_of(int number, int least) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%0*d", least, number);
  return digits;
}

std::optional<int> parse_digits(std::string const& text, int least) {
  int number = 0;
  char const* const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, number);
  // What would be written for the number is all that is read as it: no sign, no other zeros.
  if (error != std::errc() || stop != end || number < 0 || digits_of(number, least) != text)
    return std::nullopt;
  return number;
}

bool is_part_name(std::string const& text) {
  return text.size() > 1 && text[0] == 'p' && parse_digits(text.substr(1), 4).has_value();
}

// "p0007-000012" -> "p0007" and "000012"; "000012" -> "" and "000012"
struct NameOfPart {
  std::string part, rest;
};
NameOfPart split_part(std::string const& name) {
  std::size_t const dash = name.find('-');
  if (dash == std::string::npos || !is_part_name(name.substr(0, dash))) return {"", name};
  return {name.substr(0, dash), name.substr(dash + 1)};
}

std::string before_part(std::string const& part) { return part.empty() ? "" : part + "-"; }

// None of what is no folder or not there. A folder that cannot be read is not an empty one: its
// images would be made again.
std::vector<fs::path> sorted_entries(fs::path const& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    entries.push_back(entry->path());
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
    return {};
  require(!error, ExitCode::io,
          folder.string() + ": cannot be read (" + error.message() +
              ") check the file system and permissions");
  std::sort(entries.begin(), entries.end());
  return entries;
}

// "index" + "" or ".p0007" + ".jsonl"
std::string name_for_part(std::string const& stem, std::string const& part,
                          std::string const& extension) {
  return stem + (part.empty() ? "" : "." + part) + extension;
}

std::vector<PartFile> files_for_parts(fs::path const& folder, std::string const& stem,
                                      std::string const& extension) {
  std::vector<PartFile> files;
  for (fs::path const& file : sorted_entries(folder)) {
    std::string const name = file.filename();
    if (name == stem + extension) files.push_back({file, ""});
    std::size_t const least = stem.size() + 1 + extension.size();
    if (name.size() <= least) continue;
    std::string const part = name.substr(stem.size() + 1, name.size() - least);
    if (is_part_name(part) && name == name_for_part(stem, part, extension))
      files.push_back({file, part});
  }
  return files;
}

std::vector<PartFile> all_partials(std::string const& run_dir) {
  std::vector<PartFile> files;
  std::string const prefix = "partial-";
  for (fs::path const& file : sorted_entries(work_folder(run_dir))) {
    std::string const name = file.filename();
    if (name.rfind(prefix, 0) == 0 && file.extension() == ".h5")
      files.push_back({file, split_part(name.substr(prefix.size())).part});
  }
  return files;
}

}  // namespace

std::string part_name(int index) { return "p" + digits_of(index, 4); }

std::string size_folder(std::int64_t width_px, std::int64_t height_px) {
  return std::to_string(width_px) + "x" + std::to_string(height_px);
}

std::string shard_path(ShardName const& name) {
  return "shards/" + name.size + "/" + before_part(name.part) + digits_of(name.number, 6) + ".h5";
}

std::optional<ShardName> parse_shard_path(std::string const& file) {
  fs::path const path(file);
  NameOfPart const name = split_part(path.stem());
  std::optional<int> const number = parse_digits(name.rest, 6);
  if (!number || path.extension() != ".h5") return std::nullopt;
  return ShardName{size_of_shard(file), *number, name.part};
}

std::vector<std::string> shard_files(std::string const& run_dir) {
  std::vector<std::string> files;
  for (fs::path const& size : sorted_entries(run_dir + "/shards")) {
    for (fs::path const& file : sorted_entries(size)) {
      if (file.extension() == ".h5")
        files.push_back("shards/" + size.filename().string() + "/" + file.filename().string());
    }
  }
  return files;
}

std::string shard_in(std::string const& run_dir, std::string const& file) {
  return run_dir + "/" + file;
}

std::string size_of_shard(std::string const& file) {
  return fs::path(file).parent_path().filename();
}

std::string index_path(std::string const& run_dir, std::string const& part) {
  return run_dir + "/" + name_for_part("index", part, ".jsonl");
}

std::string failed_path(std::string const& run_dir, std::string const& part) {
  return run_dir + "/" + name_for_part("failed", part, ".jsonl");
}

std::string stop_path(std::string const& run_dir) { return run_dir + "/STOP"; }

std::string taken_out_path(std::string const& run_dir) { return run_dir + "/taken_out.jsonl"; }

std::vector<PartFile> index_files(std::string const& run_dir) {
  return files_for_parts(run_dir, "index", ".jsonl");
}

std::vector<PartFile> failed_files(std::string const& run_dir) {
  return files_for_parts(run_dir, "failed", ".jsonl");
}

std::vector<PartFile> lock_files(std::string const& run_dir) {
  return files_for_parts(work_folder(run_dir), "lock", "");
}

std::string work_folder(std::string const& run_dir) { return run_dir + "/.work"; }

std::string parts_path(std::string const& run_dir) { return work_folder(run_dir) + "/parts.json"; }

std::string lock_path(std::string const& run_dir, std::string const& part) {
  return work_folder(run_dir) + "/" + name_for_part("lock", part, "");
}

std::string partial_path(std::string const& run_dir, std::string const& part,
                         std::string const& rest) {
  return work_folder(run_dir) + "/partial-" + before_part(part) + rest + ".h5";
}

std::vector<std::string> partial_files(std::string const& run_dir, std::string const& part) {
  std::vector<std::string> files;
  for (PartFile const& file : all_partials(run_dir)) {
    if (file.part == part) files.push_back(file.path);
  }
  return files;
}

std::vector<std::string> parts_with_partials(std::string const& run_dir) {
  std::set<std::string> parts;
  for (PartFile const& file : all_partials(run_dir)) parts.insert(file.part);
  return {parts.begin(), parts.end()};
}

std::string cut_path(std::string const& partial) {
  fs::path copy = partial;
  return copy.replace_filename(copy.stem().string() + "-cut.h5");
}

std::string withdrawn_folder(std::string const& run_dir) {
  return work_folder(run_dir) + "/withdrawn";
}

std::string withdrawn_path(std::string const& run_dir, std::string const& file) {
  std::string const stem =
      withdrawn_folder(run_dir) + "/" + size_of_shard(file) + "-" + fs::path(file).stem().string();
  std::string path = stem + ".h5";
  // A shard with the same number may have been withdrawn before.
  for (int i = 1; fs::exists(path); ++i) path = stem + "-" + std::to_string(i) + ".h5";
  return path;
}

std::string regenerated_folder(std::string const& run_dir) {
  return fs::absolute(work_folder(run_dir) + "/regenerated");
}

SessionPaths session_paths(std::string const& run_dir, int session) {
  return paths_in_session(session_folder(run_dir, session));
}

SessionPaths paths_in_session(std::string const& folder) {
  return {folder,
          folder + "/run.toml",
          folder + "/session.json",
          folder + "/metrics.prom",
          folder + "/ranks.json",
          folder + "/summary.json",
          folder + "/end.json",
          folder + "/trace",
          folder + "/logs",
          folder + "/dumps"};
}

std::string session_folder(std::string const& run_dir, int session) {
  return run_dir + "/sessions/" + digits_of(session, 4);
}

std::vector<int> session_numbers(std::string const& run_dir) {
  std::vector<int> numbers;
  for (fs::path const& entry : sorted_entries(run_dir + "/sessions")) {
    if (auto const number = parse_digits(entry.filename(), 4)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string trace_path(SessionPaths const& session, int rank) {
  return session.trace + "/" + rank_name(rank) + ".jsonl";
}

std::map<int, std::string> trace_files(SessionPaths const& session) {
  std::map<int, std::string> files;
  std::string const prefix = "rank-";
  for (fs::path const& file : sorted_entries(session.trace)) {
    std::string const name = file.stem();
    bool const is_trace = file.extension() == ".jsonl" || file.extension() == ".h5";
    if (!is_trace || name.rfind(prefix, 0) != 0) continue;
    if (auto const rank = parse_digits(name.substr(prefix.size()), 4)) files[*rank] = file;
  }
  return files;
}

std::string rank_name(int rank) { return "rank-" + digits_of(rank, 4); }

}  // namespace ditbatch
