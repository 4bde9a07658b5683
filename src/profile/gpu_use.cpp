#include "profile/gpu_use.hpp"

#include <algorithm>
#include <limits>

namespace ditbatch {

namespace {

constexpr std::int64_t first_ns = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t last_ns = std::numeric_limits<std::int64_t>::max();

double seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

std::int64_t length_ns(TimeSpan const& time) { return time.end_ns - time.begin_ns; }

bool begins_first(TimeSpan const& a, TimeSpan const& b) { return a.begin_ns < b.begin_ns; }

// A stretch over the edge of a window loses its gaps as well: where they were is forgotten.
BusyStretch clipped(BusyStretch stretch, TimeSpan window) {
  stretch.time.begin_ns = std::max(stretch.time.begin_ns, window.begin_ns);
  stretch.time.end_ns = std::min(stretch.time.end_ns, window.end_ns);
  stretch.busy_ns = std::min(stretch.busy_ns, length_ns(stretch.time));
  return stretch;
}

}  // namespace

std::vector<CoveredPiece> covered_pieces(std::vector<TimeSpan> const& spans, TimeSpan window) {
  std::vector<CoveredPiece> pieces;
  std::int64_t reached_ns = window.begin_ns;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    TimeSpan const fresh{std::max(spans[i].begin_ns, reached_ns),
                         std::min(spans[i].end_ns, window.end_ns)};
    if (fresh.end_ns <= fresh.begin_ns) continue;
    pieces.push_back({i, fresh});
    reached_ns = fresh.end_ns;
  }
  return pieces;
}

void GpuUseMeter::add(std::vector<KernelRecord> const& records) {
  for (KernelRecord const& record : records) {
    TimeSpan const time{record.begin_ns, record.end_ns};
    if (length_ns(time) <= 0) continue;  // CUPTI does not know when it ended
    if (newest_ns_ == 0) settled_ns_ = time.begin_ns;
    newest_ns_ = std::max(newest_ns_, time.begin_ns);
    waiting_.push_back(time);
    auto found = known_.find(record.name);
    if (found == known_.end())
      found = known_.emplace(record.name, class_of_kernel(record.name)).first;
    class_ns_[static_cast<std::size_t>(found->second)] += length_ns(time);
  }
  // Seldom, because it sorts all that waits.
  if (newest_ns_ - settled_ns_ > 2 * patience_ns) settle(newest_ns_ - patience_ns);
}

// What begins before `until_ns` is complete, and becomes stretches.
void GpuUseMeter::settle(std::int64_t until_ns) {
  settled_ns_ = until_ns;
  std::stable_sort(waiting_.begin(), waiting_.end(), begins_first);
  auto const open =
      std::lower_bound(waiting_.begin(), waiting_.end(), TimeSpan{until_ns, 0}, begins_first);
  std::vector<TimeSpan> const settled(waiting_.begin(), open);
  waiting_.erase(waiting_.begin(), open);
  std::int64_t const reached_ns = stretches_.empty() ? first_ns : stretches_.back().time.end_ns;
  for (auto const& [index, time] : covered_pieces(settled, {reached_ns, last_ns})) {
    if (stretches_.empty() || time.begin_ns - stretches_.back().time.end_ns >= bridged_ns)
      stretches_.push_back({time, 0});
    stretches_.back().time.end_ns = time.end_ns;
    stretches_.back().busy_ns += length_ns(time);
  }
}

GpuUseMeter::Result GpuUseMeter::finish(TimeSpan window) {
  settle(last_ns);
  Result result;
  std::int64_t busy_ns = 0;
  for (BusyStretch const& whole : stretches_) {
    BusyStretch const stretch = clipped(whole, window);
    if (length_ns(stretch.time) <= 0) continue;
    busy_ns += stretch.busy_ns;
    result.stretches.push_back(stretch);
  }
  result.use.busy_s = seconds(busy_ns);
  result.use.steady_s = seconds(std::max<std::int64_t>(0, length_ns(window)));
  for (std::size_t i = 0; i < kernel_class_count; ++i)
    result.use.class_s[i] = seconds(class_ns_[i]);
  return result;
}

}  // namespace ditbatch
