#include "core/activity.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>
#include <utility>

#include "core/trace.hpp"

namespace ditbatch {

std::string group_of(std::string const& call) { return call.substr(0, call.find(' ')); }

std::uint64_t calls_in(CallCounts const& counts, std::string const& group) {
  auto const found = counts.find(group);
  return found == counts.end() ? 0 : found->second;
}

std::uint64_t total_of(CallCounts const& counts) {
  return std::accumulate(
      counts.begin(), counts.end(), std::uint64_t{0},
      [](std::uint64_t sum, auto const& of_group) { return sum + of_group.second; });
}

void Activity::enter_phase(std::string const& phase, std::string const& record_id, double limit_s) {
  std::unique_lock lock(mutex_);
  while (is_abandoned_) {
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::hours(1));
    lock.lock();
  }
  view_.phase = phase;
  view_.record_id = record_id;
  view_.call.clear();
  view_.phase_begin_ns = now_ns();
  device_calls_before_phase_ = total_of(look_at_device().calls);
  view_.limit_s = limit_s;
}

void Activity::enter_call(std::string const& call) {
  std::scoped_lock const lock(mutex_);
  view_.call = call;
  view_.calls[group_of(call)] += 1;
  view_.call_begin_ns = now_ns();
}

void Activity::leave_call() {
  std::scoped_lock const lock(mutex_);
  view_.call.clear();
}

void Activity::begin_mesh() {
  std::scoped_lock const lock(mutex_);
  std::erase_if(view_.calls, [](auto const& of) { return of.first != all_ranks_group; });
  device_ = nullptr;
}

void Activity::follow_device(std::function<DeviceCall()> last) {
  std::scoped_lock const lock(mutex_);
  device_ = std::move(last);
  device_calls_before_phase_ = device_calls_seen_ = 0;
}

DeviceCall Activity::look_at_device() const {
  DeviceCall const last = device_ ? device_() : DeviceCall{};
  std::uint64_t const calls = total_of(last.calls);
  if (calls != device_calls_seen_) {
    device_calls_seen_ = calls;
    device_call_seen_ns_ = now_ns();
  }
  return last;
}

Activity::View Activity::view() const {
  std::scoped_lock const lock(mutex_);
  View view = view_;
  if (!device_) return view;
  DeviceCall const last = look_at_device();
  for (auto const& [group, calls] : last.calls) view.calls[group] += calls;
  if (view.call.empty() && total_of(last.calls) > device_calls_before_phase_) {
    view.call = last.call;
    view.call_begin_ns = device_call_seen_ns_;
  }
  return view;
}

void Activity::forgive(std::int64_t pause_ns) {
  file_calls_.forgive(pause_ns);
  std::scoped_lock const lock(mutex_);
  std::int64_t const now = now_ns();
  // A phase or call that began during the pause, or just after it, does not begin in the future.
  view_.phase_begin_ns = std::min(now, view_.phase_begin_ns + pause_ns);
  view_.call_begin_ns = std::min(now, view_.call_begin_ns + pause_ns);
  device_call_seen_ns_ = std::min(now, device_call_seen_ns_ + pause_ns);
}

void Activity::abandon() {
  std::scoped_lock const lock(mutex_);
  is_abandoned_ = true;
}

}  // namespace ditbatch
