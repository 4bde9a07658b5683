// A rank's spans: on their way to a file while the job runs, so that memory does not grow.
#define BOOST_TEST_MODULE trace_file
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <thread>

#include "core/error.hpp"
#include "output/shard_rows.hpp"
#include "output/trace_file.hpp"

using namespace ditbatch;
using namespace ditbatch::test;
using namespace std::chrono_literals;

namespace {

Span span_of(int number) {
  return {"denoise", "fox \"\n" + std::to_string(number), number, number + 1, 1};
}

void add_spans(Trace& trace, int first, int count) {
  for (int i = first; i < first + count; ++i) trace.add(span_of(i));
}

// Waits for it: the writer has a thread of its own.
std::size_t spans_in(std::string const& path, std::size_t at_least) {
  std::size_t count = 0;
  for (int i = 0; i < 1000 && count < at_least; ++i) {
    std::this_thread::sleep_for(10ms);
    if (fs::exists(path) && fs::file_size(path) > 0) count = read_trace_file(path).spans.size();
  }
  return count;
}

}  // namespace

BOOST_AUTO_TEST_CASE(spans_are_in_the_file_while_the_job_runs_and_not_in_memory) {
  ScratchFolder const folder;
  std::string const path = folder / "rank-0000.jsonl";
  Trace trace;
  TraceWriter writer(path, trace, 5ms);
  add_spans(trace, 0, 20'000);
  BOOST_TEST(spans_in(path, 20'000) == 20'000U);
  BOOST_TEST(trace.kept() <= Trace::most_last);
  BOOST_TEST(trace.last(3).back().begin_ns == 19'999);  // for a dump
  add_spans(trace, 20'000, 1);
  writer.finish();
  TraceFile const file = read_trace_file(path);
  BOOST_REQUIRE(file.spans.size() == 20'001U);
  BOOST_TEST(file.steady_to_unix_ns != 0);
  Span const expected = span_of(20'000);
  BOOST_TEST(file.spans.back().record_id == expected.record_id);
  BOOST_TEST(file.spans.back().end_ns == expected.end_ns);
  BOOST_TEST(file.spans.back().thread == 1);
}

BOOST_AUTO_TEST_CASE(a_line_that_was_cut_off_is_not_there_yet) {
  ScratchFolder const folder;
  std::string const path = folder / "rank-0000.jsonl";
  Trace trace;
  add_spans(trace, 0, 2);
  {
    TraceWriter writer(path, trace);
    writer.finish();
  }
  std::string const whole = read_bytes(path);
  write_bytes(path, whole.substr(0, whole.size() - 5));  // a job that was killed
  BOOST_TEST(read_trace_file(path).spans.size() == 1U);
  write_bytes(path, whole + "{}\n");
  BOOST_CHECK_THROW((void)read_trace_file(path), Error);
}

BOOST_AUTO_TEST_CASE(without_a_writer_or_on_a_full_disk_memory_does_not_grow) {
  Trace trace;
  add_spans(trace, 0, static_cast<int>(Trace::most_waiting) + 7);
  BOOST_TEST(trace.kept() == Trace::most_waiting);
  BOOST_TEST(trace.dropped() == 7U);
  ScratchFolder const folder;
  TraceWriter writer(folder / "no/such/folder/rank-0000.jsonl", trace);
  BOOST_CHECK_EXCEPTION(writer.finish(), Error,
                        [](Error const& error) { return error.code() == ExitCode::io; });
}
