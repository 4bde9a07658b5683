#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "core/activity.hpp"
#include "core/trace.hpp"

namespace ditbatch {

/// What the main thread of a rank is doing. It is always in exactly one phase, so a rank's phases
/// add up to its wall time.
enum class Phase : std::size_t { start, load, text, denoise, decode, hand_over, wait, drain };

inline constexpr std::size_t phase_count = 8;
inline constexpr std::array<char const*, phase_count> phase_names{
    "start", "load", "text", "denoise", "decode", "hand_over", "wait", "drain"};

/// The phases of an image, as the shard's `timing_s` has them.
inline constexpr std::array<Phase, 5> image_phases{Phase::text, Phase::denoise, Phase::decode,
                                                   Phase::hand_over, Phase::wait};

[[nodiscard]] std::vector<std::string> image_phase_names();

/// How long a phase may last before it counts as stuck; 0: for ever (waiting for work is not a
/// hang). `slowest_s` is the longest that the same phase took for an equal amount of work, 0 if it
/// is the first time: a first image may take as long as starting.
[[nodiscard]] double phase_limit_s(Phase phase, LimitsConfig const& limits, double slowest_s);

/// What a phase works on, and how much that is, in any unit: it scales the limit of the phase.
struct PhaseWork {
  std::string record_ids;  // empty outside of an image; "fox,owl" for a batch
  double cost = 1;
};

/// Divides the wall time of a rank's main thread into phases, and tells its Activity and
/// profilers.
class PhaseClock {
 public:
  /// Starts in Phase::start, at the given time of the steady clock (when the process began).
  PhaseClock(Trace& trace, Activity& activity, LimitsConfig const& limits, std::int64_t begin_ns);

  /// Ends the current phase and begins another.
  void enter(Phase phase, PhaseWork work = {});

  /// Whom this clock tells, for collectives of the host within a phase.
  [[nodiscard]] Activity& activity() { return activity_; }

  /// Seconds in each of image_phases since the previous call. The current phase goes on.
  [[nodiscard]] std::vector<float> take_image_s();

  /// Seconds in every phase since the beginning; the current phase is counted up to now.
  [[nodiscard]] std::array<double, phase_count> totals_s() const;
  [[nodiscard]] double wall_s() const;

 private:
  void close_current(std::int64_t now);

  Trace& trace_;
  Activity& activity_;
  LimitsConfig limits_;
  std::array<double, phase_count> slowest_s_per_cost_{};
  std::int64_t begin_ns_;
  std::int64_t phase_begin_ns_;
  Phase phase_ = Phase::start;
  PhaseWork work_;
  std::array<std::int64_t, phase_count> total_ns_{};
  std::array<std::int64_t, phase_count> taken_ns_{};
};

}  // namespace ditbatch
