#include "core/trace.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/nvtx.hpp"

namespace ditbatch {

namespace {

template <class Clock>
std::int64_t ns_since_epoch() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::int64_t now_ns() { return ns_since_epoch<std::chrono::steady_clock>(); }
std::int64_t unix_time_ns() { return ns_since_epoch<std::chrono::system_clock>(); }

void Trace::add(Span span) {
  std::scoped_lock const lock(mutex_);
  spans_.push_back(std::move(span));
  waiting_ += 1;
  if (waiting_ > most_waiting) {
    waiting_ -= 1;
    dropped_ += 1;
  }
  while (spans_.size() > std::max(waiting_, most_last)) spans_.pop_front();
}

std::vector<Span> Trace::drain() {
  std::scoped_lock const lock(mutex_);
  std::vector<Span> taken(spans_.end() - static_cast<std::ptrdiff_t>(waiting_), spans_.end());
  waiting_ = 0;
  while (spans_.size() > most_last) spans_.pop_front();
  return taken;
}

std::uint64_t Trace::dropped() const {
  std::scoped_lock const lock(mutex_);
  return dropped_;
}

std::vector<Span> Trace::last(std::size_t count) const {
  std::scoped_lock const lock(mutex_);
  std::size_t const most = std::min({count, most_last, spans_.size()});
  return {spans_.end() - static_cast<std::ptrdiff_t>(most), spans_.end()};
}

std::size_t Trace::kept() const {
  std::scoped_lock const lock(mutex_);
  return spans_.size();
}

ScopedSpan::ScopedSpan(Trace& trace, std::string name, std::string record_id, std::uint16_t thread)
    : trace_(trace), span_{std::move(name), std::move(record_id), now_ns(), 0, thread} {
  open_range(span_.name.c_str());
}

ScopedSpan::~ScopedSpan() {
  close_range();
  span_.end_ns = now_ns();
  trace_.add(std::move(span_));
}

}  // namespace ditbatch
