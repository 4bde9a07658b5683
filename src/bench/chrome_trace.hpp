#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ditbatch {

/// A row of a timeline.
struct TimelineTrack {
  int process = 0;  // sorts the tracks; its name stands above its rows
  int thread = 0;
  std::string process_name;
  std::string thread_name;
};

/// A stretch on one row. Stretches of a row nest or do not touch.
struct TimelineEvent {
  std::string name;
  std::string record_id;  // empty: of none
  int process = 0;
  int thread = 0;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

struct Timeline {
  std::vector<TimelineTrack> tracks;
  std::vector<TimelineEvent> events;
};

/// Chrome's trace-event format, which ui.perfetto.dev and chrome://tracing open: one complete event
/// a stretch, in microseconds since the first beginning.
[[nodiscard]] std::string chrome_trace_json(Timeline const& timeline);

}  // namespace ditbatch
