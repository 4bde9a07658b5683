#include "run/progress.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "core/trace.hpp"

namespace ditbatch {

namespace {

std::string duration_text(double seconds) {
  auto const whole = static_cast<long long>(seconds + 0.5);
  if (whole >= 3600) return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
  if (whole >= 60) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole) + " s";
}

}  // namespace

std::string progress_text(WorkCounts const& counts, std::size_t already_done, double elapsed_s) {
  std::size_t const made = counts.done + counts.appended;
  std::size_t const left = counts.total - made - counts.failed;
  double const rate = elapsed_s > 0 ? static_cast<double>(made) / elapsed_s : 0;
  char speed[32];
  std::snprintf(speed, sizeof speed, "%.2f", rate);
  std::string text = std::to_string(already_done + made) + "/" +
                     std::to_string(already_done + counts.total) + " images, " + speed + " images/s";
  if (left > 0) text += ", ETA " + (rate > 0 ? duration_text(static_cast<double>(left) / rate) : "unknown");
  if (counts.failed > 0) text += ", " + std::to_string(counts.failed) + " failed";
  return text;
}

ProgressLine::ProgressLine(std::function<WorkCounts()> counts, std::size_t already_done)
    : counts_(std::move(counts)),
      already_done_(already_done),
      begin_ns_(now_ns()),
      thread_([this] { run(); }) {}

ProgressLine::~ProgressLine() {
  {
    std::scoped_lock const lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ProgressLine::print(char const* line_end) const {
  double const elapsed_s = static_cast<double>(now_ns() - begin_ns_) * 1e-9;
  std::fprintf(stderr, "%s%s", progress_text(counts_(), already_done_, elapsed_s).c_str(), line_end);
  std::fflush(stderr);
}

void ProgressLine::run() {
  bool const terminal = ::isatty(STDERR_FILENO) == 1;
  auto const interval = terminal ? std::chrono::milliseconds(500) : std::chrono::milliseconds(30'000);
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, interval, [this] { return end_; })) print(terminal ? "   \r" : "\n");
  print("\n");
}

}  // namespace ditbatch
