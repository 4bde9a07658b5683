#include "run/read_status.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/read_text_file.hpp"
#include "core/trace.hpp"
#include "output/publish.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// Hands what a file tells to a function. A file that is cut off or tells something else is left out
// and named; one that is not there, or has nothing in it yet, is only left out.
template <class Take>
void read_told(std::string const& path, RunStatus& status, Take const& take) {
  json const told = json_file_or_discarded(path);
  std::error_code none;
  if (told.is_discarded()) {
    bool const is_odd = fs::exists(path, none) && !fs::is_regular_file(path, none);
    if (is_odd || (fs::file_size(path, none) > 0 && !none))
      status.left_out.push_back(path + ": is left out (no JSON, cut off, or no plain file)");
    return;
  }
  try {
    take(told);
  } catch (json::exception const& error) {
    status.left_out.push_back(path + ": is left out (" + error.what() + ")");
  }
}

double age_s(std::string const& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return 0;
  double const changed_s = static_cast<double>(status.st_mtim.tv_sec) +
                           static_cast<double>(status.st_mtim.tv_nsec) * 1e-9;
  return std::max(0.0, static_cast<double>(unix_time_ns()) * 1e-9 - changed_s);
}

// The index is a cache: a shard that it does not list yet is opened.
std::uint64_t published_images(std::string const& run_dir) {
  std::map<std::string, IndexLine> const index = read_all_indexes(run_dir);
  std::uint64_t images = 0;
  for (std::string const& file : shard_files(run_dir)) {
    auto const line = index.find(file);
    images += line != index.end() ? line->second.rows
                                  : ShardFile::open(shard_in(run_dir, file), H5Access::read).rows();
  }
  return images;
}

// The parts of an array job have sessions of their own: no session's count is that of the folder.
bool has_parts(std::string const& run_dir) {
  std::vector<PartFile> const files = index_files(run_dir);
  return std::any_of(files.begin(), files.end(),
                     [](PartFile const& file) { return !file.part.empty(); });
}

void read_top_folder(std::string const& run_dir, RunStatus& status) {
  for (PartFile const& file : failed_files(run_dir))
    status.failed += read_failed_lines(file.path).size();
  status.taken_out = read_tombstones(run_dir).images();
  std::vector<int> const sessions = session_numbers(run_dir);
  if (!sessions.empty()) status.session = sessions.back();
  std::vector<std::string> locks;
  for (PartFile const& file : lock_files(run_dir)) {
    read_told(file.path, status, [&](json const& owner) {
      status.owners.push_back({file.part, owner.value("host", ""),
                               owner.value("pid", std::int64_t{0}), owner.value("job", "")});
      locks.push_back(file.path);
    });
  }
  std::vector<LockOwnerState> const states = look_for_owners(locks);
  for (std::size_t i = 0; i < states.size(); ++i)
    status.owners[i].is_alive = states[i] == LockOwnerState::alive;
}

// Lines "ditbatch_NAME VALUE" of Prometheus' text format.
void read_metrics(std::string const& path, RunStatus& status) {
  std::istringstream file(read_text_if_any(path));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    double value = 0;
    if (!(words >> name >> value)) continue;
    if (name == "ditbatch_images_total") status.wanted = static_cast<std::uint64_t>(value);
    if (name == "ditbatch_images_made_in_session")
      status.made_in_session = static_cast<std::uint64_t>(value);
    if (name == "ditbatch_session_seconds") status.session_s = value;
  }
}

void read_ranks(std::string const& path, RunStatus& status) {
  status.ranks_age_s = age_s(path);
  read_told(path, status, [&](json const& told) {
    for (json const& rank : told.value("ranks", json::array())) {
      Beat beat = beat_from_message(to_text(rank));
      beat.in_phase_s += rank.value("silent_s", 0.0);
      status.ranks.push_back(std::move(beat));
    }
  });
  std::stable_sort(status.ranks.begin(), status.ranks.end(),
                   [](Beat const& a, Beat const& b) { return a.in_phase_s > b.in_phase_s; });
}

bool is_running(RunStatus const& status) {
  return std::any_of(status.owners.begin(), status.owners.end(),
                     [](LockOwner const& owner) { return owner.is_alive; });
}

std::uint64_t left_of(RunStatus const& status) {
  // What was taken out since the session is not wanted any more.
  std::uint64_t const settled = status.published + status.failed + status.taken_out;
  std::uint64_t const wanted = status.wanted.value_or(0) + status.taken_out_before;
  return status.wanted && wanted > settled ? wanted - settled : 0;
}

}  // namespace

RunStatus read_status(std::string const& run_dir) {
  require(fs::is_directory(run_dir), ExitCode::io,
          run_dir + ": no run folder is there (no such folder) check the path");
  RunStatus status;
  read_top_folder(run_dir, status);
  status.published = published_images(run_dir);
  if (status.session == 0) return status;
  SessionPaths const session = session_paths(run_dir, status.session);
  read_told(session.session_json, status, [&](json const& begun) {
    status.layout = begun.value("layout", "");
    status.hardware = begun.value("hardware", "");
  });
  read_metrics(session.metrics, status);
  read_ranks(session.ranks, status);
  status.end = read_last_words(session.folder);
  read_told(session.summary, status, [&](json const& summary) {
    status.has_summary = true;
    status.stop_reason = summary.value("stop_reason", "");
    status.made_in_session = summary.value("images_made", std::uint64_t{0});
    status.session_s = summary.value("wall_s", 0.0);
    status.taken_out_before = summary.value("images_taken_out", std::uint64_t{0});
    status.constant_in_session = summary.value("images_constant", std::uint64_t{0});
    status.wanted = status.made_in_session +
                    summary.value("images_already_done", std::uint64_t{0}) +
                    summary.value("images_failed", std::uint64_t{0}) +
                    summary.value("images_left", std::uint64_t{0});
  });
  if (has_parts(run_dir)) status.wanted.reset();
  return status;
}

std::string state_of(RunStatus const& status) {
  if (is_running(status)) return "running";
  if (status.session == 0) return "not started";
  bool const is_stopped = status.end && status.end->code == ExitCode::stopped;
  if (!status.has_summary && !is_stopped) return status.end ? "failed" : "died";
  if (!status.wanted) return is_stopped ? "stopped" : "ended";
  if (left_of(status) > 0) return "stopped with " + std::to_string(left_of(status)) + " left";
  return status.failed > 0 ? "complete but for " + std::to_string(status.failed) + " failed"
                           : "complete";
}

std::string status_text(RunStatus const& status, ShowRanks show_ranks) {
  std::string text = state_of(status);
  if (!status.stop_reason.empty()) text += " (" + status.stop_reason + ")";
  text += ": " + std::to_string(status.published);
  if (status.wanted) text += " of " + std::to_string(*status.wanted);
  text += " images published, " + std::to_string(status.failed) + " failed";
  if (status.taken_out > 0) text += ", " + std::to_string(status.taken_out) + " taken out";
  text += "\n";
  char line[320];
  if (status.session > 0) {
    std::snprintf(line, sizeof line, "session %d: %llu images in %.0f s, %s on %s\n",
                  status.session, static_cast<unsigned long long>(status.made_in_session),
                  status.session_s, status.layout.c_str(), status.hardware.c_str());
    text += line;
  }
  if (status.constant_in_session > 0) {
    text += std::to_string(status.constant_in_session) +
            " images of this session are constant (pixel_std is 0)\n";
  }
  for (std::string const& file : status.left_out) text += file + "\n";
  if (status.end && !is_running(status) && status.end->code != ExitCode::complete) {
    text += "it ended with exit code " + std::to_string(static_cast<int>(status.end->code)) + ": " +
            status.end->cause + "\nread: " + status.end->read + "\nthen: " + status.end->then +
            "\n";
  }
  for (LockOwner const& owner : status.owners) {
    text += (owner.part.empty() ? "job" : "job of part " + owner.part) + ": process " +
            std::to_string(owner.pid) + " on " + owner.host +
            (owner.slurm_job.empty() ? "" : ", Slurm job " + owner.slurm_job);
    text += owner.is_alive ? "\n" : " (gone; the next job takes over)\n";
  }
  if (show_ranks == ShowRanks::no) return text;
  if (status.ranks.empty()) return text + "no rank told anything yet\n";
  std::snprintf(line, sizeof line, "ranks, longest in their phase first, as of %.0f s ago\n",
                status.ranks_age_s);
  text += line;
  for (Beat const& rank : status.ranks) {
    std::snprintf(line, sizeof line, "  %5d  replica %4d  %-16s %-8s %-10s %9.1f s  %s%s%s\n",
                  rank.rank, rank.replica(), rank.host.c_str(), rank.device.c_str(),
                  rank.phase.c_str(), rank.in_phase_s, rank.record_id.c_str(),
                  rank.call.empty() ? "" : ", in ", rank.call.c_str());
    text += line;
  }
  return text;
}

std::string status_json(RunStatus const& status) {
  json owners = json::array();
  for (LockOwner const& owner : status.owners) {
    owners.push_back({{"part", owner.part},
                      {"host", owner.host},
                      {"pid", owner.pid},
                      {"slurm_job", owner.slurm_job},
                      {"is_alive", owner.is_alive}});
  }
  json ranks = json::array();
  for (Beat const& rank : status.ranks) ranks.push_back(json_of(to_message(rank)));
  json const end = status.end ? json_or_discarded(last_words_json(*status.end)) : json(nullptr);
  json const wanted = status.wanted ? json(*status.wanted) : json(nullptr);
  return to_text(json{{"state", state_of(status)},
                      {"images_published", status.published},
                      {"images_failed", status.failed},
                      {"images_taken_out", status.taken_out},
                      {"images_wanted", wanted},
                      {"session", status.session},
                      {"images_made_in_session", status.made_in_session},
                      {"images_constant_in_session", status.constant_in_session},
                      {"left_out", status.left_out},
                      {"session_s", status.session_s},
                      {"layout", status.layout},
                      {"hardware", status.hardware},
                      {"stop_reason", status.stop_reason},
                      {"end", end},
                      {"jobs", owners},
                      {"ranks", ranks}},
                 2) +
         "\n";
}

}  // namespace ditbatch
