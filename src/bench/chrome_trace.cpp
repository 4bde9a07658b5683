#include "bench/chrome_trace.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// Microseconds with all nanoseconds, as text: the shortest double would do, but it takes longer.
std::string microseconds(std::int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ns / 1000),
                static_cast<long long>(ns % 1000));
  return text;
}

std::string name_of_track(char const* kind, TimelineTrack const& track, std::string const& name) {
  return to_text(json{{"ph", "M"},
                      {"name", kind},
                      {"pid", track.process},
                      {"tid", track.thread},
                      {"args", {{"name", name}}}});
}

}  // namespace

std::string chrome_trace_json(Timeline const& timeline) {
  std::int64_t begin_ns = timeline.events.empty() ? 0 : timeline.events.front().begin_ns;
  for (TimelineEvent const& event : timeline.events) begin_ns = std::min(begin_ns, event.begin_ns);
  std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  bool is_first = true;
  auto const add = [&](std::string const& event) {
    text += (is_first ? "" : ",\n") + event;
    is_first = false;
  };
  for (TimelineTrack const& track : timeline.tracks) {
    add(name_of_track("process_name", track, track.process_name));
    add(name_of_track("thread_name", track, track.thread_name));
  }
  for (TimelineEvent const& event : timeline.events) {
    std::string line = "{\"ph\":\"X\",\"name\":" + to_text(json(event.name)) +
                       ",\"pid\":" + std::to_string(event.process) +
                       ",\"tid\":" + std::to_string(event.thread) +
                       ",\"ts\":" + microseconds(event.begin_ns - begin_ns) +
                       ",\"dur\":" + microseconds(event.end_ns - event.begin_ns);
    if (!event.record_id.empty())
      line += ",\"args\":{\"record\":" + to_text(json(event.record_id)) + "}";
    add(line + "}");
  }
  return text + "\n]}\n";
}

}  // namespace ditbatch
