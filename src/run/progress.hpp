#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "queue/work_ledger.hpp"

namespace ditbatch {

/// Tells how far the job is, from a thread on rank 0: one line that rewrites itself on a terminal,
/// a line every 30 s otherwise, and metrics.prom for node_exporter's textfile collector every 10 s.
/// Ends with a last line.
class ProgressLine {
 public:
  /// `already_done` images were there before this session.
  ProgressLine(std::function<WorkCounts()> counts, std::size_t already_done,
               std::string metrics_path);
  ProgressLine(ProgressLine const&) = delete;
  ProgressLine& operator=(ProgressLine const&) = delete;
  ~ProgressLine();

 private:
  void run();
  void print(char const* line_end) const;
  void write_metrics() const;

  std::function<WorkCounts()> counts_;
  std::size_t already_done_;
  std::string metrics_path_;
  std::int64_t begin_ns_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

/// "12/64 images, 0.42 images/s, ETA 2 min 4 s, 1 failed": made of made + appended ones.
[[nodiscard]] std::string progress_text(WorkCounts const& counts, std::size_t already_done,
                                        double elapsed_s);

/// The same numbers in Prometheus' text format.
[[nodiscard]] std::string metrics_text(WorkCounts const& counts, std::size_t already_done,
                                       double elapsed_s);

}  // namespace ditbatch
