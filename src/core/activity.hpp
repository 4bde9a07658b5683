#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "core/file_calls.hpp"

namespace ditbatch {

/// The group of all ranks of a job, for collectives of the host.
inline constexpr char const* all_ranks_group = "world";

/// How many collectives were entered, by the group of ranks that makes them together. A call's name
/// begins with its group: "ulysses all_to_all". All ranks of a group make its calls in the same
/// order, so whoever has fewer is waited for; counts of different groups say nothing about each
/// other.
using CallCounts = std::map<std::string, std::uint64_t>;
[[nodiscard]] std::string group_of(std::string const& call);
[[nodiscard]] std::uint64_t calls_in(CallCounts const& counts, std::string const& group);
[[nodiscard]] std::uint64_t total_of(CallCounts const& counts);

/// The collective that a device came to last, and how many it came to so far.
struct DeviceCall {
  std::string call;
  CallCounts calls;
};

/// What the main thread of a rank is doing, and beside it the thread that writes its files, for
/// their watchdog to read. Each thread writes its own part, any thread reads.
class Activity {
 public:
  struct View {
    std::string phase = "start";
    std::string record_id;            // empty outside of an image
    std::string call;                 // the collective that it stands in; empty outside of one
    CallCounts calls;                 // collectives that it entered so far
    std::int64_t phase_begin_ns = 0;  // steady clock
    std::int64_t call_begin_ns = 0;
    double limit_s = 0;  // how long the phase may last; 0: for ever
  };

  /// Does not return once abandon() was called.
  void enter_phase(std::string const& phase, std::string const& record_id, double limit_s);
  void enter_call(std::string const& call);
  void leave_call();
  /// From now on the groups are those of another mesh: only calls of all ranks still count.
  void begin_mesh();
  /// From now on the device tells which collective it stands in: its work runs long after the call
  /// that enqueued it. `last` is called from any thread.
  void follow_device(std::function<DeviceCall()> last);
  [[nodiscard]] View view() const;
  /// Of the thread that writes this rank's files.
  [[nodiscard]] FileCalls& file_calls() { return file_calls_; }

  /// Time in which the whole process did not run (it was suspended with its job) counts for
  /// nothing.
  void forgive(std::int64_t pause_ns);

  /// The job is lost: the main thread stops at its next phase, so that nothing it computed from an
  /// aborted communicator reaches a shard.
  void abandon();

 private:
  [[nodiscard]] DeviceCall look_at_device() const;

  FileCalls file_calls_;
  mutable std::mutex mutex_;
  View view_;
  std::function<DeviceCall()> device_;
  std::uint64_t device_calls_before_phase_ = 0;
  mutable std::uint64_t device_calls_seen_ = 0;
  mutable std::int64_t device_call_seen_ns_ = 0;
  bool is_abandoned_ = false;
};

/// A collective of the host, from here to the end of the scope.
class HostCall {
 public:
  HostCall(Activity& activity, std::string const& call) : activity_(activity) {
    activity_.enter_call(call);
  }
  HostCall(HostCall const&) = delete;
  HostCall& operator=(HostCall const&) = delete;
  ~HostCall() { activity_.leave_call(); }

 private:
  Activity& activity_;
};

}  // namespace ditbatch
