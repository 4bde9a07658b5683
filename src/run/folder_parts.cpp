#include "run/folder_parts.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/sha256.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "run/run_folder.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

std::string text_of(FolderParts const& parts) {
  return to_text(json{{"count", parts.count},
                      {"first_task", parts.tasks.first},
                      {"task_step", parts.tasks.step},
                      {"manifest_bytes", parts.manifest_bytes},
                      {"manifest_sha256", parts.manifest_sha256}},
                 1) +
         "\n";
}

// SHA-256 of the first bytes of a file, and of how many it is.
struct Head {
  std::uint64_t bytes = 0;
  std::string sha256;
};
Head head_of(std::string const& path, std::uint64_t most_bytes) {
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), ExitCode::io, path + ": cannot be opened (no such file?) check the path");
  std::vector<char> block(std::size_t{1} << 20U);
  Sha256 hash;
  Head head;
  while (head.bytes < most_bytes && file) {
    auto const want = std::min<std::uint64_t>(block.size(), most_bytes - head.bytes);
    file.read(block.data(), static_cast<std::streamsize>(want));
    hash.update(block.data(), static_cast<std::size_t>(file.gcount()));
    head.bytes += static_cast<std::uint64_t>(file.gcount());
  }
  head.sha256 = to_hex(hash.finish());
  return head;
}

// Nothing where the variable is not set; it must be a whole number.
std::optional<int> number_in(char const* variable) {
  char const* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int number = 0;
  char const* const end = text + std::strlen(text);
  auto const [stop, error] = std::from_chars(text, end, number);
  require(error == std::errc() && stop == end, ExitCode::usage,
          std::string(variable) + "=" + text +
              " is no whole number (it names a task of a Slurm array) unset it, or use --part i/N");
  return number;
}

int step_by_slurm() { return std::max(1, number_in("SLURM_ARRAY_TASK_STEP").value_or(1)); }

// One part is the whole.
std::optional<ManifestPart> checked(ManifestPart const& part) {
  require(part.count >= 1 && part.count <= 10000 && part.index >= 0 && part.index < part.count,
          ExitCode::usage,
          "--part " + std::to_string(part.index) + "/" + std::to_string(part.count) +
              " does not exist (parts count from 0 to N-1)");
  return part.count > 1 ? std::optional(part) : std::nullopt;
}

std::string division_text(int count) {
  return count == 1 ? "one job on the whole manifest" : std::to_string(count) + " parts";
}

// The new division is written before the locks of the old one are looked at: a job of the old one
// that starts meanwhile either has its lock by then, and is seen, or reads the new division.
void change_division(std::string const& run_dir, std::string const& own_part,
                     FolderParts const& before, FolderParts const& wanted) {
  std::string const path = parts_path(run_dir);
  replace_file(path, text_of(wanted));
  try {
    std::vector<std::unique_ptr<RunLock>> locks;
    bool is_proven = true;
    for (PartFile const& file : lock_files(run_dir)) {
      if (file.part == own_part) continue;
      locks.push_back(std::make_unique<RunLock>(run_dir, file.part));
      is_proven = is_proven && !locks.back()->has_unproven_predecessor();
    }
    // What jobs that died left in .work, of whatever part.
    (void)salvage_all(run_dir, is_proven ? LastWriter::gone : LastWriter::perhaps_alive);
  } catch (Error const& error) {
    replace_file(path, text_of(before));
    require(error.code() != ExitCode::bad_input, ExitCode::bad_input,
            run_dir + ": is divided into " + division_text(before.count) + ", not into " +
                division_text(wanted.count) + ", and a job works on it (" + error.what() + ")");
    throw;
  }
  log_info("the run folder is divided into " + division_text(wanted.count) + ", before into " +
           division_text(before.count));
}

// Each part reads the manifest for itself.
void require_same_manifest(std::string const& manifest, FolderParts const& known,
                           RunOptions::Changed changed) {
  Head const now = head_of(manifest, known.manifest_bytes);
  if (now.bytes == known.manifest_bytes && now.sha256 == known.manifest_sha256) return;
  std::string const problem =
      manifest +
      ": was edited since the first part began (a line that was there is gone or "
      "differs; only lines added at its end are as good) ";
  require(changed == RunOptions::Changed::replace, ExitCode::bad_input,
          problem + "undo that, or run all parts with --replace-changed");
  log_warning(problem + "going on, as told by --replace-changed");
}

}  // namespace

std::optional<FolderParts> read_folder_parts(std::string const& run_dir) {
  if (!std::filesystem::exists(parts_path(run_dir))) return std::nullopt;
  json const parsed = json_file_or_discarded(parts_path(run_dir));
  try {
    FolderParts parts;
    parts.count = parsed.at("count");
    parts.tasks = {parsed.at("first_task"), parsed.at("task_step")};
    parts.manifest_bytes = parsed.at("manifest_bytes");
    parts.manifest_sha256 = parsed.at("manifest_sha256");
    return parts;
  } catch (json::exception const& error) {
    throw Error(ExitCode::io, parts_path(run_dir) + ": cannot be read (" + error.what() +
                                  ") remove it while no job works on the run folder");
  }
}

ManifestPart part_of_task(int task, SlurmArray const& array,
                          std::optional<FolderParts> const& known) {
  ManifestPart part;
  if (known && known->count > 1) {
    part.count = known->count;
    part.tasks = known->tasks;
  } else {
    part.count = array.count;
    part.tasks = {array.first, std::max(1, array.step)};
    bool const is_even = (array.last - array.first) % part.tasks.step == 0 &&
                         (array.last - array.first) / part.tasks.step + 1 == array.count;
    require(is_even, ExitCode::usage,
            "the tasks of this array do not tell the number of parts (they have no even step, and "
            "no job has divided the run folder yet) submit the whole array first, or name the part "
            "with --part i/N");
  }
  int const steps = (task - part.tasks.first) / part.tasks.step;
  require(task >= part.tasks.first && (task - part.tasks.first) % part.tasks.step == 0 &&
              steps < part.count,
          ExitCode::usage,
          "task " + std::to_string(task) + " of the array has no part (the run folder has " +
              std::to_string(part.count) + ", from task " + std::to_string(part.tasks.first) +
              " on) submit the tasks of the first array, or name the part with --part i/N");
  part.index = steps;
  return part;
}

std::optional<ManifestPart> part_by_slurm(std::string const& run_dir) {
  std::optional<int> const task = number_in("SLURM_ARRAY_TASK_ID");
  std::optional<int> const count = number_in("SLURM_ARRAY_TASK_COUNT");
  if (!task || !count) return std::nullopt;
  int const step = step_by_slurm();
  int const first = number_in("SLURM_ARRAY_TASK_MIN").value_or(0);
  int const last = number_in("SLURM_ARRAY_TASK_MAX").value_or(first + (*count - 1) * step);
  return checked(part_of_task(*task, {*count, first, last, step}, read_folder_parts(run_dir)));
}

std::optional<ManifestPart> parse_part(std::string const& text) {
  ManifestPart part;
  char rest = 0;
  int const read = std::sscanf(text.c_str(), "%d/%d%c", &part.index, &part.count, &rest);
  require(read == 2, ExitCode::usage,
          "--part " + text + " is not of the form i/N (for example 0/8)");
  int const step = step_by_slurm();
  if (std::optional<int> const task = number_in("SLURM_ARRAY_TASK_ID"))
    part.tasks = {*task - part.index * step, step};
  return checked(part);
}

void agree_on_parts(std::string const& run_dir, RunOptions const& options,
                    std::string const& manifest) {
  FolderParts wanted;
  if (options.part) {
    wanted.count = options.part->count;
    wanted.tasks = options.part->tasks;
  }
  Head const whole = head_of(manifest, UINT64_MAX);
  wanted.manifest_bytes = whole.bytes;
  wanted.manifest_sha256 = whole.sha256;
  std::string const path = parts_path(run_dir);
  std::optional<FolderParts> known = read_folder_parts(run_dir);
  // Of several that begin together one writes it, and all read what it wrote.
  if (!known && naming_file(path, [&] { return write_new_file(path, text_of(wanted)); })) return;
  if (!known) known = read_folder_parts(run_dir);
  require(known.has_value(), ExitCode::io,
          path + ": is gone again (somebody removes files) leave the folder .work alone");
  if (known->count != wanted.count) {
    change_division(run_dir, part_name(options.part), *known, wanted);
    return;
  }
  if (wanted.count > 1) require_same_manifest(manifest, *known, options.changed);
  if (known->manifest_sha256 != wanted.manifest_sha256) {
    wanted.tasks = known->tasks;
    replace_file(path, text_of(wanted));
  }
}

}  // namespace ditbatch
