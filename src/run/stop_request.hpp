#pragma once

#include <atomic>
#include <limits>
#include <optional>
#include <string>

#include "config/run_config.hpp"

namespace ditbatch {

/// Whether the job was told to stop: by a signal (signals.hpp), by a file STOP in the run folder,
/// or because its time is up (`--max-hours`, or the end of the Slurm allocation less `drain_s`).
/// Records in hand are finished and published; the exit code is then 75.
class StopRequest {
 public:
  struct Options {
    std::string run_dir;
    std::optional<double> max_hours;
    double drain_s = 240;
  };
  /// `signal`: what any rank was told by one, else 0.
  StopRequest(Options options, std::atomic<int> const& signal);

  /// Looks at the file and the clock at most once a second. One thread.
  [[nodiscard]] bool must_stop();
  /// Why, for the log; empty as long as the job goes on.
  [[nodiscard]] std::string const& reason() const { return reason_; }

 private:
  Options options_;
  double deadline_s_ = std::numeric_limits<double>::infinity();  // both on the steady clock
  double last_look_s_ = -std::numeric_limits<double>::infinity();
  std::string reason_;
  std::atomic<int> const& signal_;
};

}  // namespace ditbatch
