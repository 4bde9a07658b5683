#include "supervise/phase_clock.hpp"

#include <algorithm>
#include <utility>

#include "core/nvtx.hpp"
#include "supervise/fault_point.hpp"

namespace ditbatch {

std::vector<std::string> image_phase_names() {
  std::vector<std::string> names;
  for (Phase phase : image_phases) names.emplace_back(phase_names[static_cast<std::size_t>(phase)]);
  return names;
}

double phase_limit_s(Phase phase, LimitsConfig const& limits, double slowest_s) {
  switch (phase) {
    case Phase::start:
    case Phase::load:
      return limits.start_s;
    case Phase::text:
    case Phase::denoise:
    case Phase::decode:
      return std::max(limits.phase_s, slowest_s > 0 ? 10 * slowest_s : limits.start_s);
    case Phase::hand_over:
    case Phase::drain:  // a file system that stalls is back-pressure
      return std::max(limits.phase_s, limits.io_s);
    case Phase::wait:
      return 0;
  }
  return 0;
}

PhaseClock::PhaseClock(Trace& trace, Activity& activity, LimitsConfig const& limits,
                       std::int64_t begin_ns)
    : trace_(trace),
      activity_(activity),
      limits_(limits),
      begin_ns_(begin_ns),
      phase_begin_ns_(begin_ns) {
  open_range(phase_names[0]);
  activity_.enter_phase(phase_names[0], {}, phase_limit_s(Phase::start, limits_, 0));
  fault_point(phase_names[0], {});
}

void PhaseClock::close_current(std::int64_t now) {
  auto const index = static_cast<std::size_t>(phase_);
  total_ns_[index] += now - phase_begin_ns_;
  trace_.add({phase_names[index], work_.record_ids, phase_begin_ns_, now, 0});
  phase_begin_ns_ = now;
}

void PhaseClock::enter(Phase phase, PhaseWork work) {
  std::int64_t const begin_ns = phase_begin_ns_;
  close_current(now_ns());
  double& slowest = slowest_s_per_cost_[static_cast<std::size_t>(phase_)];
  slowest = std::max(slowest, static_cast<double>(phase_begin_ns_ - begin_ns) * 1e-9 / work_.cost);
  phase_ = phase;
  work_ = std::move(work);
  auto const index = static_cast<std::size_t>(phase);
  close_range();
  open_range(phase_names[index]);
  activity_.enter_phase(phase_names[index], work_.record_ids,
                        phase_limit_s(phase, limits_, slowest_s_per_cost_[index] * work_.cost));
  fault_point(phase_names[index], work_.record_ids);
}

std::vector<float> PhaseClock::take_image_s() {
  close_current(now_ns());
  std::vector<float> seconds;
  for (Phase phase : image_phases) {
    auto const index = static_cast<std::size_t>(phase);
    seconds.push_back(
        static_cast<float>(static_cast<double>(total_ns_[index] - taken_ns_[index]) * 1e-9));
    taken_ns_[index] = total_ns_[index];
  }
  return seconds;
}

std::array<double, phase_count> PhaseClock::totals_s() const {
  std::array<double, phase_count> totals{};
  for (std::size_t i = 0; i < phase_count; ++i)
    totals[i] = static_cast<double>(total_ns_[i]) * 1e-9;
  totals[static_cast<std::size_t>(phase_)] +=
      static_cast<double>(now_ns() - phase_begin_ns_) * 1e-9;
  return totals;
}

double PhaseClock::wall_s() const { return static_cast<double>(now_ns() - begin_ns_) * 1e-9; }

}  // namespace ditbatch
