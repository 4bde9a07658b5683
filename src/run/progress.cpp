#include "run/progress.hpp"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/trace.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace {

std::string duration_text(double seconds) {
  auto const whole = std::llround(seconds);
  if (whole >= 3600)
    return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
  if (whole >= 60) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole) + " s";
}

}  // namespace

std::string progress_text(WorkCounts const& counts, OtherImages const& others, double elapsed_s) {
  std::size_t const made = counts.done + counts.appended;
  std::size_t const left = counts.total - made - counts.failed;
  double const rate = elapsed_s > 0 ? static_cast<double>(made) / elapsed_s : 0;
  char speed[32];
  std::snprintf(speed, sizeof speed, "%.2f", rate);
  std::string text = std::to_string(others.already_done + made) + "/" +
                     std::to_string(others.already_done + counts.total + others.beyond_limit) +
                     " images, " + speed + " images/s";
  if (left > 0)
    text += ", ETA " + (rate > 0 ? duration_text(static_cast<double>(left) / rate) : "unknown");
  if (counts.failed > 0) text += ", " + std::to_string(counts.failed) + " failed";
  if (counts.failed_attempts > counts.failed)
    text += ", " + std::to_string(counts.failed_attempts) + " failed attempts";
  return text;
}

std::vector<Metric> metrics_of(WorkCounts const& counts, OtherImages const& others,
                               double elapsed_s) {
  auto const number = [](std::size_t count) { return static_cast<double>(count); };
  return {
      {Term("ditbatch_images_total", v0_1, "that the job is to make, those before it included",
            "images"),
       "gauge", number(others.already_done + counts.total + others.beyond_limit)},
      {Term("ditbatch_images_published", v0_1, "that stand in shards", "images"), "gauge",
       number(others.already_done + counts.done)},
      {Term("ditbatch_images_made_in_session", v0_1, "in this session, published or not yet",
            "images"),
       "counter", number(counts.done + counts.appended)},
      {Term("ditbatch_images_failed_in_session", v0_1, "given up in this session", "images"),
       "counter", number(counts.failed)},
      {Term("ditbatch_session_seconds", v0_1, "since the job began to make images", "s"), "counter",
       elapsed_s},
      {Term("ditbatch_last_update_unix_seconds", v0_1,
            "when these numbers were written: an old one tells of a job that ended", "s"),
       "gauge", static_cast<double>(unix_time_ns()) * 1e-9},
  };
}

std::string metrics_text(WorkCounts const& counts, OtherImages const& others, double elapsed_s) {
  std::string text;
  for (Metric const& metric : metrics_of(counts, others, elapsed_s)) {
    char const* const name = metric.term;
    char lines[512];
    std::snprintf(lines, sizeof lines, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name,
                  metric.term.meaning(), name, metric.kind, name, metric.value);
    text += lines;
  }
  return text;
}

ProgressLine::ProgressLine(Sources sources, OtherImages others, SessionPaths paths)
    : sources_(std::move(sources)),
      others_(others),
      paths_(std::move(paths)),
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
  std::fprintf(stderr, "%s%s", progress_text(sources_.counts(), others_, elapsed_s).c_str(),
               line_end);
  std::fflush(stderr);
}

void ProgressLine::write_files() const {
  try {
    replace_file(paths_.metrics, metrics_text(sources_.counts(), others_,
                                              static_cast<double>(now_ns() - begin_ns_) * 1e-9));
    replace_file(paths_.ranks, sources_.ranks_json());
  } catch (Error const& error) {
    log_warning(error.what());  // a dashboard without numbers does not stop a job
  }
}

void ProgressLine::run() {
  bool const terminal = ::isatty(STDERR_FILENO) == 1;
  auto const tick = std::chrono::milliseconds(500);
  int const ticks_a_line = terminal ? 1 : 60;
  constexpr int ticks_a_file = 20;
  std::unique_lock lock(mutex_);
  for (int ticks = 1; !ended_.wait_for(lock, tick, [this] { return end_; }); ++ticks) {
    if (ticks % ticks_a_line == 0) print(terminal ? "   \r" : "\n");
    if (ticks == 1 || ticks % ticks_a_file == 0) write_files();
  }
  print("\n");
  write_files();
}

}  // namespace ditbatch
