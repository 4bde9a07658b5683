#include "run/stop_request.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/trace.hpp"
#include "output/run_paths.hpp"
#include "run/allocation_end.hpp"
#include "supervise/signals.hpp"

namespace ditbatch {

namespace {

// A clock that nobody sets.
double steady_s() { return static_cast<double>(now_ns()) * 1e-9; }

// An instant of the wall clock on the steady one, by what both say now.
double on_steady_clock(double unix_s) {
  return steady_s() + unix_s - static_cast<double>(unix_time_ns()) * 1e-9;
}

}  // namespace

StopRequest::StopRequest(Options options, std::atomic<int> const& signal)
    : options_(std::move(options)), signal_(signal) {
  if (options_.max_hours) deadline_s_ = steady_s() + *options_.max_hours * 3600;
  if (auto const end_s = allocation_end_unix_s())
    deadline_s_ = std::min(deadline_s_, on_steady_clock(*end_s) - options_.drain_s);
}

bool StopRequest::must_stop() {
  if (!reason_.empty()) return true;
  if (signal_ != 0) {
    reason_ = signal_name(signal_);
    return true;
  }
  double const now_s = steady_s();
  if (now_s - last_look_s_ < 1.0) return false;
  last_look_s_ = now_s;
  std::error_code ignored;
  if (std::filesystem::exists(stop_path(options_.run_dir), ignored)) reason_ = "the file STOP";
  if (now_s >= deadline_s_) reason_ = "the end of the allotted time";
  return !reason_.empty();
}

}  // namespace ditbatch
