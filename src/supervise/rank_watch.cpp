#include "supervise/rank_watch.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace ditbatch {

using nlohmann::json;

std::string to_message(Beat const& beat) {
  return json{{"rank", beat.rank},
              {"replica", beat.replica},
              {"host", beat.host},
              {"device", beat.device},
              {"phase", beat.phase},
              {"record", beat.record_id},
              {"call", beat.call},
              {"calls", beat.calls},
              {"in_phase_s", beat.in_phase_s},
              {"in_call_s", beat.in_call_s},
              {"stop_signal", beat.stop_signal}}
      .dump();
}

Beat beat_from_message(std::string const& message) {
  json const parsed = json::parse(message);
  return {parsed.at("rank"),      parsed.at("replica"),    parsed.at("host"),
          parsed.at("device"),    parsed.at("phase"),      parsed.at("record"),
          parsed.at("call"),      parsed.at("calls"),      parsed.at("in_phase_s"),
          parsed.at("in_call_s"), parsed.at("stop_signal")};
}

std::string where_text(Beat const& beat) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", beat.in_phase_s);
  return "rank " + std::to_string(beat.rank) + " (replica " + std::to_string(beat.replica) +
         ", host " + beat.host + ", " + beat.device + "), phase " + beat.phase +
         (beat.record_id.empty() ? "" : " of record " + beat.record_id) +
         (beat.call.empty() ? ", outside of a collective (after call "
                            : ", in " + beat.call + " (call ") +
         std::to_string(beat.calls) + "), for " + seconds;
}

std::optional<SeenBeat> find_silent(std::vector<SeenBeat> const& beats, double limit_s) {
  std::optional<SeenBeat> found;
  for (SeenBeat const& seen : beats) {
    if (seen.silent_s > limit_s && (!found || seen.silent_s > found->silent_s)) found = seen;
  }
  return found;
}

std::vector<Beat> find_laggards(std::vector<SeenBeat> const& beats, Beat const& reporter) {
  std::vector<Beat> laggards{reporter};
  for (SeenBeat const& seen : beats) {
    if (seen.beat.rank == reporter.rank || seen.beat.replica != reporter.replica) continue;
    if (seen.beat.calls < laggards.front().calls) laggards.clear();
    if (laggards.empty() || seen.beat.calls == laggards.front().calls)
      laggards.push_back(seen.beat);
  }
  return laggards;
}

}  // namespace ditbatch
