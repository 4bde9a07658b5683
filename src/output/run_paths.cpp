#include "output/run_paths.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>

#include "core/error.hpp"
#include "output/run_names.hpp"

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
std::vector<fs::directory_entry> sorted_entries(fs::path const& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    entries.push_back(*entry);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
    return {};
  require(!error, ExitCode::io,
          folder.string() + ": cannot be read (" + error.message() +
              ") check the file system and permissions");
  std::sort(entries.begin(), entries.end());
  return entries;
}

enum class Kind { file, folder, other, gone };

// Of what a link leads to.
Kind kind_of(fs::directory_entry const& entry) {
  std::error_code error;
  fs::file_status const status = entry.status(error);
  require(!error || status.type() == fs::file_type::not_found, ExitCode::io,
          entry.path().string() + ": cannot be looked at (" + error.message() +
              ") check the file system and permissions");
  if (fs::is_regular_file(status)) return Kind::file;
  if (fs::is_directory(status)) return Kind::folder;
  // A link to nowhere is something; what another job took out meanwhile is not.
  return fs::exists(entry.symlink_status(error)) ? Kind::other : Kind::gone;
}

// Whether size_folder() makes this name.
bool is_size(std::string const& text) {
  std::size_t const times = std::min(text.find('x'), text.size());
  return parse_digits(text.substr(0, times), 1).value_or(0) > 0 &&
         parse_digits(text.substr(std::min(times + 1, text.size())), 1).value_or(0) > 0;
}

void list_size_folder(fs::directory_entry const& folder, std::string const& name,
                      ShardsFolder& found) {
  for (fs::directory_entry const& entry : sorted_entries(folder)) {
    Kind const kind = entry.path().extension() == ".h5" ? kind_of(entry) : Kind::gone;
    if (kind == Kind::gone) continue;
    std::string const file = name + "/" + entry.path().filename().string();
    bool const is_shard = kind == Kind::file && parse_shard_path(file);
    (is_shard ? found.shards : found.foreign).push_back(file);
  }
}

// "index.jsonl" -> "index.p0007.jsonl"
std::string name_for_part(fs::path const& name, std::string const& part) {
  return name.stem().string() + (part.empty() ? "" : "." + part) + name.extension().string();
}

// Neither a link nor a pipe, which would block whoever opens it.
bool is_plain_file(fs::path const& path) {
  std::error_code none;
  return fs::symlink_status(path, none).type() == fs::file_type::regular;
}

std::vector<PartFile> files_for_parts(fs::path const& folder, fs::path const& whole) {
  std::vector<PartFile> files;
  std::string const stem = whole.stem();
  for (fs::path const& file : sorted_entries(folder)) {
    std::string const name = file.filename();
    if (name == whole) files.push_back({file, ""});
    std::size_t const least = whole.string().size() + 1;
    if (name.size() <= least) continue;
    std::string const part = name.substr(stem.size() + 1, name.size() - least);
    if (is_part_name(part) && name == name_for_part(whole, part)) files.push_back({file, part});
  }
  return files;
}

std::vector<PartFile> all_partials(std::string const& run_dir) {
  std::vector<PartFile> files;
  std::string const prefix = run_names::partial.name();
  for (fs::path const& file : sorted_entries(work_folder(run_dir))) {
    std::string const name = file.filename();
    if (name.rfind(prefix, 0) == 0 && file.extension() == ".h5" && is_plain_file(file))
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
  return std::string(run_names::shards) + "/" + name.size + "/" + before_part(name.part) +
         digits_of(name.number, 6) + ".h5";
}

std::optional<ShardName> parse_shard_path(std::string const& file) {
  fs::path const path(file);
  NameOfPart const name = split_part(path.stem());
  std::optional<int> const number = parse_digits(name.rest, 6);
  if (!number || path.extension() != ".h5" || !is_size(size_of_shard(file))) return std::nullopt;
  return ShardName{size_of_shard(file), *number, name.part};
}

ShardsFolder list_shards(std::string const& run_dir) {
  ShardsFolder found;
  for (fs::directory_entry const& folder :
       sorted_entries(run_dir + "/" + run_names::shards.name())) {
    std::string const name =
        std::string(run_names::shards) + "/" + folder.path().filename().string();
    Kind const kind = kind_of(folder);
    bool const is_h5 = folder.path().extension() == ".h5";
    if (is_h5 || (kind == Kind::other && is_size(folder.path().filename())))
      found.foreign.push_back(name);
    else if (kind == Kind::folder)
      list_size_folder(folder, name, found);
  }
  return found;
}

std::vector<std::string> shard_files(std::string const& run_dir) {
  return list_shards(run_dir).shards;
}

std::string foreign_text(std::string const& file) {
  return file +
         ": is no shard of this program (it has another name, or is no file) move it away, or let "
         "ditbatch repair take it out and keep the images that are sound";
}

std::string shard_in(std::string const& run_dir, std::string const& file) {
  return run_dir + "/" + file;
}

std::string size_of_shard(std::string const& file) {
  return fs::path(file).parent_path().filename();
}

std::string index_path(std::string const& run_dir, std::string const& part) {
  return run_dir + "/" + name_for_part(run_names::index.name(), part);
}

std::string failed_path(std::string const& run_dir, std::string const& part) {
  return run_dir + "/" + name_for_part(run_names::failed.name(), part);
}

std::string stop_path(std::string const& run_dir) { return run_dir + "/" + run_names::stop.name(); }

std::string taken_out_path(std::string const& run_dir) {
  return run_dir + "/" + run_names::taken_out.name();
}

std::vector<PartFile> index_files(std::string const& run_dir) {
  return files_for_parts(run_dir, run_names::index.name());
}

std::vector<PartFile> failed_files(std::string const& run_dir) {
  return files_for_parts(run_dir, run_names::failed.name());
}

std::vector<PartFile> lock_files(std::string const& run_dir) {
  return files_for_parts(work_folder(run_dir), run_names::lock.name());
}

std::string work_folder(std::string const& run_dir) {
  return run_dir + "/" + run_names::work.name();
}

std::string parts_path(std::string const& run_dir) {
  return work_folder(run_dir) + "/" + run_names::parts.name();
}

std::string lock_path(std::string const& run_dir, std::string const& part) {
  return work_folder(run_dir) + "/" + name_for_part(run_names::lock.name(), part);
}

std::string partial_path(std::string const& run_dir, std::string const& part,
                         std::string const& rest) {
  return work_folder(run_dir) + "/" + run_names::partial.name() + before_part(part) + rest + ".h5";
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
  return work_folder(run_dir) + "/" + run_names::withdrawn.name();
}

std::string withdrawn_path(std::string const& run_dir, std::string const& file) {
  std::string const stem =
      withdrawn_folder(run_dir) + "/" + size_of_shard(file) + "-" + fs::path(file).stem().string();
  std::string path = stem + ".h5";
  // A shard with the same number may have been withdrawn before.
  for (int i = 1; fs::exists(fs::symlink_status(path)); ++i)
    path = stem + "-" + std::to_string(i) + ".h5";
  return path;
}

std::string regenerated_folder(std::string const& run_dir) {
  return fs::absolute(work_folder(run_dir) + "/" + run_names::regenerated.name());
}

SessionPaths session_paths(std::string const& run_dir, int session) {
  return paths_in_session(session_folder(run_dir, session));
}

SessionPaths paths_in_session(std::string const& folder) {
  SessionPaths paths;
  paths.folder = folder;
  visit_session(
      [&](char const* name, std::string& path, PathKind /*kind*/) { path = folder + "/" + name; },
      paths);
  return paths;
}

std::string session_folder(std::string const& run_dir, int session) {
  return run_dir + "/" + run_names::sessions.name() + "/" + digits_of(session, 4);
}

std::vector<int> session_numbers(std::string const& run_dir) {
  std::vector<int> numbers;
  for (fs::directory_entry const& entry :
       sorted_entries(run_dir + "/" + run_names::sessions.name())) {
    if (auto const number = parse_digits(entry.path().filename(), 4)) numbers.push_back(*number);
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
    if (!is_trace || name.rfind(prefix, 0) != 0 || !is_plain_file(file)) continue;
    if (auto const rank = parse_digits(name.substr(prefix.size()), 4)) files[*rank] = file;
  }
  return files;
}

std::string rank_name(int rank) { return "rank-" + digits_of(rank, 4); }

}  // namespace ditbatch
