// What tells a job to stop, and that a job without such a word goes on.
#define BOOST_TEST_MODULE stop_request
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "core/trace.hpp"
#include "run/stop_request.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;

namespace {

// None of Slurm's variables: the tests may run within a job.
struct NoSlurm {
  NoSlurm() {
    ::unsetenv("SLURM_JOB_ID");
    ::unsetenv("SLURM_JOB_END_TIME");
  }
};
BOOST_TEST_GLOBAL_FIXTURE(NoSlurm);

struct EndsAt {
  explicit EndsAt(double in_s) {
    long long const end_s = unix_time_ns() / 1'000'000'000 + static_cast<long long>(in_s);
    ::setenv("SLURM_JOB_END_TIME", std::to_string(end_s).c_str(), 1);
  }
  ~EndsAt() { ::unsetenv("SLURM_JOB_END_TIME"); }
};

void wait_for_next_look() { std::this_thread::sleep_for(std::chrono::milliseconds(1050)); }

}  // namespace

BOOST_AUTO_TEST_CASE(a_job_that_nobody_stops_goes_on) {
  test::ScratchFolder const run("stop");
  std::atomic<int> signal{0};
  StopRequest stop({run.path(), std::nullopt, 240}, signal);
  BOOST_TEST(!stop.must_stop());
  BOOST_TEST(stop.reason().empty());
}

BOOST_AUTO_TEST_CASE(a_signal_of_any_rank_stops_it_at_once_and_for_good) {
  test::ScratchFolder const run("stop");
  std::atomic<int> signal{0};
  StopRequest stop({run.path(), std::nullopt, 240}, signal);
  BOOST_TEST(!stop.must_stop());
  signal = SIGUSR1;  // within the second of the last look
  BOOST_TEST(stop.must_stop());
  BOOST_TEST(stop.reason() == "SIGUSR1");
  signal = 0;
  BOOST_TEST(stop.must_stop());
}

BOOST_AUTO_TEST_CASE(the_file_STOP_stops_it) {
  test::ScratchFolder const run("stop");
  std::atomic<int> signal{0};
  StopRequest stop({run.path(), std::nullopt, 240}, signal);
  BOOST_TEST(!stop.must_stop());
  test::write_file(run / "STOP", "");
  BOOST_TEST(!stop.must_stop());  // a file system is not asked a thousand times a second
  wait_for_next_look();
  BOOST_TEST(stop.must_stop());
  BOOST_TEST(stop.reason() == "the file STOP");
}

BOOST_AUTO_TEST_CASE(its_own_time_limit_needs_no_time_to_drain) {
  test::ScratchFolder const run("stop");
  std::atomic<int> signal{0};
  StopRequest at_once({run.path(), 0.0, 240}, signal);
  BOOST_TEST(at_once.must_stop());
  BOOST_TEST(at_once.reason() == "the end of the allotted time");
  StopRequest later({run.path(), 0.1, 240}, signal);
  BOOST_TEST(!later.must_stop());
}

BOOST_AUTO_TEST_CASE(it_ends_before_its_allocation) {
  test::ScratchFolder const run("stop");
  std::atomic<int> signal{0};
  EndsAt const soon(100);
  StopRequest has_time({run.path(), std::nullopt, 50}, signal);
  BOOST_TEST(!has_time.must_stop());
  StopRequest must_drain({run.path(), std::nullopt, 240}, signal);
  BOOST_TEST(must_drain.must_stop());
  StopRequest the_earlier_counts({run.path(), 10.0, 240}, signal);
  BOOST_TEST(the_earlier_counts.must_stop());
}
