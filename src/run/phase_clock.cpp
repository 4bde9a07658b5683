#include "run/phase_clock.hpp"

namespace ditbatch {

std::vector<std::string> image_phase_names() {
  std::vector<std::string> names;
  for (Phase phase : image_phases) names.emplace_back(phase_names[static_cast<std::size_t>(phase)]);
  return names;
}

PhaseClock::PhaseClock(Trace& trace, std::int64_t begin_ns)
    : trace_(trace), begin_ns_(begin_ns), phase_begin_ns_(begin_ns) {}

void PhaseClock::close_current(std::int64_t now) {
  auto const index = static_cast<std::size_t>(phase_);
  total_ns_[index] += now - phase_begin_ns_;
  trace_.add({phase_names[index], record_id_, phase_begin_ns_, now, 0});
  phase_begin_ns_ = now;
}

void PhaseClock::enter(Phase phase, std::string const& record_id) {
  close_current(now_ns());
  phase_ = phase;
  record_id_ = record_id;
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
