#include "run/stop_request.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/trace.hpp"
#include "output/run_paths.hpp"
#include "run/allocation_end.hpp"

namespace ditbatch {

namespace {

double unix_time_s() { return static_cast<double>(unix_time_ns()) * 1e-9; }

}  // namespace

StopRequest::StopRequest(Options options, std::atomic<int> const& signal)
    : options_(std::move(options)), signal_(signal) {
  auto const earlier = [&](double end_s) {
    double const deadline_s = end_s - options_.drain_s;
    deadline_unix_s_ = deadline_unix_s_ == 0 ? deadline_s : std::min(deadline_unix_s_, deadline_s);
  };
  if (options_.max_hours) earlier(unix_time_s() + *options_.max_hours * 3600 + options_.drain_s);
  if (auto const end_s = allocation_end_unix_s()) earlier(*end_s);
}

bool StopRequest::must_stop() {
  if (!reason_.empty()) return true;
  if (signal_ != 0) {
    reason_ = "signal " + std::to_string(signal_);
    return true;
  }
  double const now_s = unix_time_s();
  if (now_s - last_look_s_ < 1.0) return false;
  last_look_s_ = now_s;
  std::error_code ignored;
  if (std::filesystem::exists(stop_path(options_.run_dir), ignored)) reason_ = "the file STOP";
  if (deadline_unix_s_ != 0 && now_s >= deadline_unix_s_) reason_ = "the end of the allotted time";
  return !reason_.empty();
}

}  // namespace ditbatch
