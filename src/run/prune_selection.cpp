#include "run/prune_selection.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <utility>

#include "config/load_run_config.hpp"
#include "core/error.hpp"
#include "core/problem.hpp"
#include "families/families.hpp"
#include "manifest/read_manifest.hpp"
#include "output/run_paths.hpp"
#include "run/session_folder.hpp"
#include "run/verify_job.hpp"

namespace ditbatch {

namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

std::set<ImageChoice> read_choices(std::string const& path) {
  std::ifstream file(path);
  require(file.is_open(), ExitCode::bad_input,
          path + ": cannot be opened (no such file?) check the path");
  std::set<ImageChoice> choices;
  for (std::string line; std::getline(file, line);) {
    std::size_t const begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos) continue;
    choices.insert(
        parse_image_choice(line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin)));
  }
  require(!file.bad(), ExitCode::io, path + ": cannot be read (check the file system)");
  require(!choices.empty(), ExitCode::bad_input,
          path + ": names no image (it is empty) write one id a line, or id[index] for one image");
  return choices;
}

// The model may be gone by now; ids do not depend on it.
std::set<ImageKey> images_of_manifest(std::string const& run_dir) {
  RunConfig const config = config_of_run(run_dir, {});
  Problems of_model;
  RecordRules rules = plan_model(config.model, of_model).rules;
  if (!of_model.empty()) rules = {{}, 1, 4096};
  Problems problems;
  std::set<ImageKey> images;
  RunConfig const whole = with_sampling_defaults(config, rules.defaults);
  for (ImageRecord const& record : read_manifest(config.job.manifest, whole, rules, problems))
    images.insert(record.key());
  problems.throw_if_any();
  return images;
}

std::string joined(std::set<std::string> const& names) {
  std::string text;
  for (std::string const& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// The replicas that a GPU worked in, for each session that says who ran where.
std::map<int, std::set<int>> replicas_with(std::string const& gpu_uuid,
                                           std::string const& run_dir) {
  std::map<int, std::set<int>> replicas;
  std::set<std::string> known;
  for (int const session : session_numbers(run_dir)) {
    for (RankPlace const& place :
         read_session_ranks(session_paths(run_dir, session).session_json)) {
      std::set<int>& of_session = replicas[session];
      if (!place.gpu_uuid.empty()) known.insert(place.gpu_uuid);
      if (place.gpu_uuid == gpu_uuid) of_session.insert(place.replica);
    }
  }
  require(known.count(gpu_uuid) != 0, ExitCode::bad_input,
          gpu_uuid + ": is no GPU of this run folder's sessions (known are: " +
              (known.empty() ? "none" : joined(known)) + ") take one of these");
  return replicas;
}

}  // namespace

std::int64_t parse_time_ns(std::string const& text) {
  for (char const* const format : {"%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M%z",
                                   "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    std::tm time{};
    char const* const rest = ::strptime(text.c_str(), format, &time);
    if (rest == nullptr || *rest != '\0') continue;
    std::int64_t const offset_s = time.tm_gmtoff;
    int const day = time.tm_mday;
    std::int64_t const seconds = ::timegm(&time);
    // No 31st of February, and no time that nanoseconds of 64 bits cannot tell.
    constexpr std::int64_t most_s = INT64_MAX / ns_per_s;
    if (time.tm_mday == day && std::abs(seconds) < most_s - 86400)
      return (seconds - offset_s) * ns_per_s;
  }
  throw Error(ExitCode::usage,
              "--since " + text +
                  " is no time (2026-03-01, 2026-03-01T12:30:00Z and 2026-03-01T12:30+01:00 are)");
}

PruneSelection::PruneSelection(PruneRequest request, std::string run_dir)
    : request_(std::move(request)), run_dir_(std::move(run_dir)) {
  if (!request_.ids_file.empty()) listed_ = read_choices(request_.ids_file);
  if (!request_.gpu_uuid.empty()) replicas_with_gpu_ = replicas_with(request_.gpu_uuid, run_dir_);
  if (listed_.empty() && !request_.not_in_manifest) return;
  try {
    manifest_ = images_of_manifest(run_dir_);
  } catch (Error const& error) {
    require(!request_.not_in_manifest, ExitCode::bad_input,
            "the manifest cannot be read, so nobody knows what is not in it: " +
                std::string(error.what()));
    without_manifest_ = error.what();
  }
}

bool PruneSelection::has(RowKey const& row) {
  if (!listed_.empty())
    return listed_.count({row.id, std::nullopt}) != 0 || listed_.count({row.id, row.index}) != 0;
  if (request_.not_in_manifest) return manifest_.count({row.id, row.index}) == 0;
  if (request_.session && row.record.session != *request_.session) return false;
  if (request_.since_ns && row.finished_ns < *request_.since_ns) return false;
  if (!request_.gpu_uuid.empty()) return is_by_gpu(row);
  return request_.session || request_.since_ns;
}

bool PruneSelection::is_by_gpu(RowKey const& row) {
  auto const replicas = replicas_with_gpu_.find(row.record.session);
  require(replicas != replicas_with_gpu_.end(), ExitCode::bad_input,
          session_paths(run_dir_, row.record.session).session_json +
              ": does not say which GPU made " + image_name({row.id, row.index}) +
              " (it is gone or damaged) name sessions that are known with --session, or take the "
              "whole session out");
  return replicas->second.count(row.replica) != 0;
}

PruneSelection::Known PruneSelection::known(PrunePlan const& plan,
                                            Tombstones const& tombstones) const {
  Known known;
  auto const add = [&](ImageKey const& key) {
    if (listed_.count({key.id, std::nullopt}) != 0 || listed_.count({key.id, key.index}) != 0)
      known[key.id].insert(key.index);
  };
  for (PrunePlan::Shard const& shard : plan.changed) {
    for (ImageKey const& key : shard.taken) add(key);
  }
  for (ImageKey const& key : manifest_) add(key);
  for (auto const& [choice, tombstone] : tombstones.all) {
    if (choice.index)
      add({choice.id, *choice.index});
    else
      known[choice.id];
  }
  return known;
}

void PruneSelection::add_tombstones(PrunePlan const& plan, std::string const& reason,
                                    std::string const& now, Tombstones& tombstones) const {
  if (listed_.empty()) {
    for (PrunePlan::Shard const& shard : plan.changed) {
      for (ImageKey const& key : shard.taken) {
        if (!tombstones.hold(key)) tombstones.all[{key.id, key.index}] = {1, reason, now};
      }
    }
    return;
  }
  Known const known = this->known(plan, tombstones);
  for (ImageChoice const& choice : listed_) {
    auto const images = known.find(choice.id);
    bool const is_known =
        images != known.end() && (!choice.index || images->second.count(*choice.index) != 0);
    if (!is_known && without_manifest_.empty()) continue;
    if (choice.index) {
      ImageKey const key{choice.id, *choice.index};
      if (!tombstones.hold(key)) tombstones.all.emplace(choice, Tombstone{1, reason, now});
      continue;
    }
    std::uint64_t const count = images != known.end() ? images->second.size() : 0;
    // The record's own images are among those now.
    std::erase_if(tombstones.all, [&](auto const& entry) {
      return entry.first.id == choice.id && entry.first.index;
    });
    Tombstone& tombstone = tombstones.all.emplace(choice, Tombstone{1, reason, now}).first->second;
    tombstone.images = std::max(tombstone.images, count);
  }
}

std::size_t PruneSelection::lift_tombstones(Tombstones& tombstones) const {
  return std::erase_if(tombstones.all, [&](auto const& entry) {
    return listed_.count(entry.first) != 0 || listed_.count({entry.first.id, std::nullopt}) != 0;
  });
}

std::vector<std::string> PruneSelection::unknown(PrunePlan const& plan,
                                                 Tombstones const& tombstones) const {
  std::vector<std::string> names;
  if (!without_manifest_.empty()) return names;
  Known const known = this->known(plan, tombstones);
  for (ImageChoice const& choice : listed_) {
    auto const images = known.find(choice.id);
    bool const is_known =
        images != known.end() && (!choice.index || images->second.count(*choice.index) != 0 ||
                                  tombstones.hold({choice.id, *choice.index}));
    if (!is_known)
      names.push_back(choice.index ? image_name({choice.id, *choice.index}) : choice.id);
  }
  return names;
}

}  // namespace ditbatch
