#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/term.hpp"
#include "output/run_paths.hpp"
#include "queue/work_ledger.hpp"

namespace ditbatch {

/// Images of the manifest that are not this session's.
struct OtherImages {
  std::size_t already_done = 0;  // published before
  std::size_t beyond_limit = 0;  // left to a later one
};

/// Tells how far the job is, from a thread on rank 0: one line that rewrites itself on a terminal,
/// a line every 30 s otherwise; and, every 10 s, metrics.prom for node_exporter's textfile
/// collector and ranks.json, which says what every rank does. Ends with a last line.
class ProgressLine {
 public:
  struct Sources {
    std::function<WorkCounts()> counts;
    std::function<std::string()> ranks_json;
  };
  ProgressLine(Sources sources, OtherImages others, SessionPaths paths);
  ProgressLine(ProgressLine const&) = delete;
  ProgressLine& operator=(ProgressLine const&) = delete;
  ~ProgressLine();

 private:
  void run();
  void print(char const* line_end) const;
  void write_files() const;

  Sources sources_;
  OtherImages others_;
  SessionPaths paths_;
  std::int64_t begin_ns_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

/// "12/64 images, 0.42 images/s, ETA 2 min 4 s, 1 failed": made of made + appended ones, out of all
/// that are wanted; the time is for those of this session.
[[nodiscard]] std::string progress_text(WorkCounts const& counts, OtherImages const& others,
                                        double elapsed_s);

/// One of the numbers in metrics.prom.
struct Metric {
  Term term;
  char const* kind;  // "gauge", "counter"
  double value;
};
/// The same numbers, each on its own.
[[nodiscard]] std::vector<Metric> metrics_of(WorkCounts const& counts, OtherImages const& others,
                                             double elapsed_s);
/// Those in Prometheus' text format.
[[nodiscard]] std::string metrics_text(WorkCounts const& counts, OtherImages const& others,
                                       double elapsed_s);

}  // namespace ditbatch
