#include "supervise/rank_watch.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/json_text.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

json place_json(std::optional<MeshCoordinate> const& at) {
  if (!at) return nullptr;
  return json::array({at->replica, at->cfg, at->pipefusion, at->ring, at->ulysses});
}

// Sessions of older versions have none.
std::optional<MeshCoordinate> place_in(json const& beat) {
  json const place = beat.value("place", json());
  if (!place.is_array()) return std::nullopt;
  return MeshCoordinate{place.at(0), place.at(1), place.at(2), place.at(3), place.at(4)};
}

// Sessions of older versions have one number.
CallCounts calls_of(json const& beat) {
  json const& calls = beat.at("calls");
  return calls.is_object() ? calls.get<CallCounts>() : CallCounts{};
}

json writer_json(FileCalls::View const& writer) {
  return json{{"is_busy", writer.is_busy}, {"call", writer.call}, {"still_s", writer.still_s}};
}

// Sessions of older versions have none.
FileCalls::View writer_in(json const& beat) {
  if (!beat.contains("writer")) return {};
  json const& writer = beat.at("writer");
  return {writer.at("is_busy"), writer.at("call"), writer.at("still_s")};
}

// Whether both make the collectives of this group together. Names of groups are those of
// comm/mesh_comms.hpp; any other is one of all ranks.
bool share_group(std::string const& group, Beat const& a, Beat const& b) {
  bool const is_replica = group == "replica";
  bool const is_branch = group == "branch" || is_replica;
  if (!is_branch && group != "cfg" && group != "ring" && group != "ulysses") return true;
  if (!a.at || !b.at) return false;
  MeshCoordinate moved = *a.at;
  if (is_replica || group == "cfg") moved.cfg = b.at->cfg;
  if (is_branch) moved.pipefusion = b.at->pipefusion;
  if (is_branch || group == "ring") moved.ring = b.at->ring;
  if (is_branch || group == "ulysses") moved.ulysses = b.at->ulysses;
  return moved == *b.at;
}

bool waits_for(Beat const& waiting, Beat const& other) {
  if (waiting.call.empty()) return false;
  std::string const group = group_of(waiting.call);
  return share_group(group, waiting, other) &&
         calls_in(other.calls, group) < calls_in(waiting.calls, group);
}

// In these phases some of what ranks do together is not told: who stands outside of all
// collectives then may wait as well.
bool may_wait_untold(Beat const& beat) {
  constexpr std::array phases{"start", "load", "folder", "links"};
  return beat.call.empty() && std::find(phases.begin(), phases.end(), beat.phase) != phases.end();
}

// Whether `other` may be the cause just as well as `found`, for which all seem to wait.
bool is_as_suspect(Beat const& found, Beat const& other) {
  if (may_wait_untold(found)) return may_wait_untold(other) && other.phase == found.phase;
  std::string const group = group_of(found.call);
  return !found.call.empty() && other.call == found.call && share_group(group, found, other) &&
         calls_in(other.calls, group) == calls_in(found.calls, group);
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

std::string who_text(Beat const& beat) {
  return "rank " + std::to_string(beat.rank) + " (replica " + std::to_string(beat.replica()) +
         ", host " + beat.host + ", " + beat.device + ")";
}

}  // namespace

std::string to_message(Beat const& beat) {
  return to_text(json{{"rank", beat.rank},
                      {"replica", beat.replica()},
                      {"place", place_json(beat.at)},
                      {"host", beat.host},
                      {"device", beat.device},
                      {"phase", beat.phase},
                      {"record", beat.record_id},
                      {"call", beat.call},
                      {"calls", beat.calls},
                      {"in_phase_s", beat.in_phase_s},
                      {"in_call_s", beat.in_call_s},
                      {"stop_signal", beat.stop_signal},
                      {"writer", writer_json(beat.writer)}});
}

Beat beat_from_message(std::string const& message) {
  json const parsed = json_of(message);
  return {parsed.at("rank"),      place_in(parsed),         parsed.at("host"),
          parsed.at("device"),    parsed.at("phase"),       parsed.at("record"),
          parsed.at("call"),      calls_of(parsed),         parsed.at("in_phase_s"),
          parsed.at("in_call_s"), parsed.at("stop_signal"), writer_in(parsed)};
}

std::string where_text(Beat const& beat) {
  return who_text(beat) + ", phase " + beat.phase +
         (beat.record_id.empty() ? "" : " of record " + beat.record_id) +
         (beat.call.empty() ? ", outside of a collective (after call "
                            : ", in " + beat.call + " (call ") +
         std::to_string(total_of(beat.calls)) + "), for " + seconds_text(beat.in_phase_s);
}

std::string writer_text(Beat const& beat) {
  return who_text(beat) + ", writing for " + seconds_text(beat.writer.still_s) +
         " without progress: " +
         (beat.writer.call.empty() ? "outside of a file call" : beat.writer.call);
}

// Nothing else holds these phases up for long.
bool waits_for_slow_writer(Beat const& beat, double limit_s) {
  bool const may_wait = beat.phase == "hand_over" || beat.phase == "drain";
  return may_wait && beat.call.empty() && beat.writer.is_busy && beat.writer.still_s <= limit_s;
}

std::optional<SeenBeat> find_silent(std::vector<SeenBeat> const& beats, double limit_s) {
  std::optional<SeenBeat> found;
  for (SeenBeat const& seen : beats) {
    if (seen.silent_s > limit_s && (!found || seen.silent_s > found->silent_s)) found = seen;
  }
  return found;
}

std::vector<Beat> find_laggards(std::vector<SeenBeat> const& beats, Beat const& reporter) {
  std::map<int, Beat> all;
  for (SeenBeat const& seen : beats) all[seen.beat.rank] = seen.beat;
  all[reporter.rank] = reporter;

  std::set<int> reached{reporter.rank};
  std::set<int> causes;  // reached, and waiting for nobody
  std::vector<int> next{reporter.rank};
  while (!next.empty()) {
    Beat const& waiting = all.at(next.back());
    next.pop_back();
    bool waits = false;
    for (auto const& [rank, other] : all) {
      if (!waits_for(waiting, other)) continue;
      waits = true;
      if (reached.insert(rank).second) next.push_back(rank);
    }
    if (!waits) causes.insert(waiting.rank);
  }
  if (causes.empty()) causes = reached;  // beats of different moments
  std::vector<Beat> laggards;
  for (auto const& [rank, beat] : all) {
    bool const is_one = std::any_of(causes.begin(), causes.end(), [&, at = rank](int cause) {
      return cause == at || is_as_suspect(all.at(cause), all.at(at));
    });
    if (is_one) laggards.push_back(beat);
  }
  return laggards;
}

std::string silent_text(SeenBeat const& silent) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", silent.silent_s);
  return "no sign of life for " + std::string(seconds) + ", last seen: " + where_text(silent.beat) +
         " (its process is stopped, or its host is lost)";
}

std::string stuck_text(std::vector<Beat> const& laggards, Beat const& reporter) {
  constexpr std::size_t most = 4;
  std::string text = laggards.size() == 1 ? "stuck: " : "stuck: one of ";
  for (std::size_t i = 0; i < std::min(most, laggards.size()); ++i)
    text += (i > 0 ? "; " : "") + where_text(laggards[i]);
  if (laggards.size() > most) text += " and " + std::to_string(laggards.size() - most) + " more";
  if (laggards.size() > 1) text += " (the stacks tell which)";
  bool const is_reporter = std::any_of(laggards.begin(), laggards.end(), [&](Beat const& laggard) {
    return laggard.rank == reporter.rank;
  });
  if (!is_reporter) text += "; for it waits " + where_text(reporter);
  return text;
}

std::string host_of(std::vector<Beat> const& accused) {
  if (accused.empty()) return "";
  bool const is_one = std::all_of(accused.begin(), accused.end(), [&](Beat const& beat) {
    return beat.host == accused.front().host;
  });
  return is_one ? accused.front().host : "";
}

}  // namespace ditbatch
