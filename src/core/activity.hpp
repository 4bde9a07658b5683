#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace ditbatch {

/// What the main thread of a rank is doing, for its watchdog to read. The main thread writes, any
/// thread reads.
class Activity {
 public:
  struct View {
    std::string phase = "start";
    std::string record_id;            // empty outside of an image
    std::string call;                 // the collective that it stands in; empty outside of one
    std::uint64_t calls = 0;          // collectives that it entered so far
    std::int64_t phase_begin_ns = 0;  // steady clock
    std::int64_t call_begin_ns = 0;
    double limit_s = 0;  // how long the phase may last; 0: for ever
  };

  /// Does not return once abandon() was called.
  void enter_phase(std::string const& phase, std::string const& record_id, double limit_s);
  void enter_call(std::string const& call);
  void leave_call();
  [[nodiscard]] View view() const;

  /// Time in which the whole process did not run (it was suspended with its job) counts for
  /// nothing.
  void forgive(std::int64_t pause_ns);

  /// The job is lost: the main thread stops at its next phase, so that nothing it computed from an
  /// aborted communicator reaches a shard.
  void abandon();

 private:
  mutable std::mutex mutex_;
  View view_;
  bool is_abandoned_ = false;
};

}  // namespace ditbatch
