// Where a rank's wall time goes, and how long a phase may take before it counts as stuck.
#define BOOST_TEST_MODULE phase_clock
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <numeric>
#include <thread>

#include "supervise/phase_clock.hpp"

using namespace ditbatch;

namespace {

LimitsConfig limits() {
  LimitsConfig config;
  config.start_s = 100;
  config.phase_s = 5;
  config.io_s = 40;
  return config;
}

void sleep_ms(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

double total(PhaseClock const& clock, Phase phase) {
  return clock.totals_s()[static_cast<std::size_t>(phase)];
}

}  // namespace

BOOST_AUTO_TEST_CASE(limits_follow_from_what_was_seen) {
  BOOST_TEST(phase_limit_s(Phase::start, limits(), 0) == 100);
  BOOST_TEST(phase_limit_s(Phase::load, limits(), 50) == 100);
  BOOST_TEST(phase_limit_s(Phase::denoise, limits(), 0) == 100);  // the first may compile
  BOOST_TEST(phase_limit_s(Phase::denoise, limits(), 0.1) == 5);  // never less than phase_s
  BOOST_TEST(phase_limit_s(Phase::denoise, limits(), 2) == 20);   // ten times the slowest
  BOOST_TEST(phase_limit_s(Phase::hand_over, limits(), 0.1) == 40);
  BOOST_TEST(phase_limit_s(Phase::drain, limits(), 0) == 40);
  BOOST_TEST(phase_limit_s(Phase::wait, limits(), 1) == 0);  // work may not come for hours
}

BOOST_AUTO_TEST_CASE(phases_add_up_to_the_wall_time) {
  Trace trace;
  Activity activity;
  PhaseClock clock(trace, activity, limits(), now_ns() - 2'000'000'000);
  clock.enter(Phase::text, {"fox", 1});
  sleep_ms(10);
  clock.enter(Phase::denoise, {"fox", 1});
  sleep_ms(20);
  clock.enter(Phase::text, {"owl", 1});
  sleep_ms(5);
  auto const totals = clock.totals_s();
  BOOST_TEST(std::accumulate(totals.begin(), totals.end(), 0.0) == clock.wall_s(),
             boost::test_tools::tolerance(1e-3));
  BOOST_TEST(total(clock, Phase::start) >= 2);  // from the beginning of the process
  BOOST_TEST(total(clock, Phase::text) >= 0.015);
  BOOST_TEST(total(clock, Phase::denoise) >= 0.02);
  BOOST_TEST(total(clock, Phase::decode) == 0);
}

BOOST_AUTO_TEST_CASE(an_image_takes_what_came_since_the_one_before) {
  Trace trace;
  Activity activity;
  PhaseClock clock(trace, activity, limits(), now_ns());
  clock.enter(Phase::denoise, {"fox", 1});
  sleep_ms(20);
  std::vector<float> const first = clock.take_image_s();
  BOOST_REQUIRE_EQUAL(first.size(), image_phases.size());
  BOOST_TEST(first[1] >= 0.02F);
  BOOST_TEST(first[0] == 0);
  std::vector<float> const second = clock.take_image_s();
  BOOST_TEST(second[1] < first[1]);  // the phase goes on, its past is taken
}

BOOST_AUTO_TEST_CASE(the_watchdog_hears_each_phase_with_its_limit) {
  Trace trace;
  Activity activity;
  PhaseClock clock(trace, activity, limits(), now_ns());
  BOOST_TEST(activity.view().phase == "start");
  BOOST_TEST(activity.view().limit_s == 100);
  clock.enter(Phase::denoise, {"fox,owl", 2});
  BOOST_TEST(activity.view().record_id == "fox,owl");
  BOOST_TEST(activity.view().limit_s == 100);
  sleep_ms(40);  // 20 ms for each unit of work
  clock.enter(Phase::wait);
  BOOST_TEST(activity.view().limit_s == 0);
  clock.enter(Phase::denoise, {"a poster", 200});
  // 10 x 200 x 20 ms; a shorter limit would name a rank that only has more to do.
  BOOST_TEST(activity.view().limit_s >= 40);
  clock.enter(Phase::denoise, {"a stamp", 1});
  BOOST_TEST(activity.view().limit_s == 5);
}

BOOST_AUTO_TEST_CASE(each_phase_leaves_a_span) {
  Trace trace;
  Activity activity;
  PhaseClock clock(trace, activity, limits(), now_ns());
  clock.enter(Phase::text, {"fox", 1});
  clock.enter(Phase::denoise, {"fox", 1});
  std::vector<Span> const spans = trace.drain();
  BOOST_REQUIRE_EQUAL(spans.size(), 2U);
  BOOST_TEST(spans[0].name == "start");
  BOOST_TEST(spans[1].name == "text");
  BOOST_TEST(spans[1].record_id == "fox");
  BOOST_TEST(spans[1].begin_ns == spans[0].end_ns);
}

BOOST_AUTO_TEST_CASE(calls_are_counted_by_the_group_that_makes_them) {
  Activity activity;
  activity.enter_phase("load", "", 0);
  { HostCall const call(activity, "world devices"); }
  for (int i = 0; i < 3; ++i) HostCall const call(activity, "ulysses all_to_all");
  HostCall const call(activity, "cfg broadcast");
  Activity::View const view = activity.view();
  BOOST_TEST(view.call == "cfg broadcast");
  BOOST_TEST(calls_in(view.calls, "ulysses") == 3U);
  BOOST_TEST(total_of(view.calls) == 5U);
  activity.begin_mesh();  // the next layout of a study: its groups are others, all ranks the same
  BOOST_TEST(calls_in(activity.view().calls, "ulysses") == 0U);
  BOOST_TEST(calls_in(activity.view().calls, "world") == 1U);
}
