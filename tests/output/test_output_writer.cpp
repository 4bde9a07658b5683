// The writer thread: when it publishes, what it asks, how it says no.
#define BOOST_TEST_MODULE output_writer
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <future>
#include <thread>

#include "core/error.hpp"
#include "output/output_writer.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"
#include "output/verify_run.hpp"

using namespace ditbatch;
using namespace ditbatch::test;
using namespace std::chrono_literals;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

namespace {

class Gate final : public PublishGate {
 public:
  bool may_append(std::string const& id, std::uint16_t) override {
    if (blocked.valid()) blocked.wait();
    if (id == error_at) throw Error(ExitCode::lost_peer, "the server is gone");
    return id != refused;
  }
  int next_shard_number(std::int64_t width_px, std::int64_t height_px) override {
    return next[size_folder(width_px, height_px)]++;
  }
  int schema_version(std::int64_t, std::int64_t) override { return version; }
  void published(PublishedShard const& shard) override {
    shards.push_back(shard);
    count = static_cast<int>(shards.size());
  }
  std::shared_future<void> blocked;
  std::string refused, error_at;
  int version = shard_schema_version;
  std::map<std::string, int> next;
  std::vector<PublishedShard> shards;
  std::atomic<int> count = 0;  // to be read while the writer works
};

WriterOptions options_for(ScratchFolder const& run) {
  WriterOptions options;
  options.run_dir = run.text();
  options.phase_names = {"text"};
  return options;
}

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_CASE(publishes_by_count_and_keeps_sizes_apart) {
  ScratchFolder const run;
  Gate gate;
  Trace trace;
  WriterOptions options = options_for(run);
  options.output.images_per_shard = 3;
  OutputWriter writer(options, gate, trace);
  for (unsigned i = 0; i < 10; ++i) writer.append(make_row(i, i % 2 == 0 ? 16 : 8, 8));
  writer.finish();
  std::map<std::string, std::uint64_t> rows;
  for (PublishedShard const& shard : gate.shards) rows[shard.file] = shard.rows;
  std::map<std::string, std::uint64_t> const expected{{"shards/16x8/000000.h5", 3},
                                                      {"shards/16x8/000001.h5", 2},
                                                      {"shards/8x8/000000.h5", 3},
                                                      {"shards/8x8/000001.h5", 2}};
  BOOST_TEST((rows == expected));
  BOOST_TEST(published_ids(run.text()).size() == 10);
  BOOST_TEST(fs::is_empty(run / ".work"));
  BOOST_CHECK_THROW(writer.append(make_row(11)), Error);
}

BOOST_AUTO_TEST_CASE(publishes_by_size_and_by_age) {
  ScratchFolder const run;
  Gate gate;
  Trace trace;
  WriterOptions options = options_for(run);
  options.output.shard_bytes = 2 * 16 * 8 * 3;
  options.output.shard_s = 0.2;
  OutputWriter writer(options, gate, trace);
  for (unsigned i = 0; i < 2; ++i) writer.append(make_row(i));
  BOOST_TEST(comes_true([&] { return gate.count == 1; }));  // by size
  writer.append(make_row(2));
  BOOST_TEST(comes_true([&] { return gate.count == 2; }));  // by age, without a further row
  writer.finish();
  BOOST_TEST(gate.shards.size() == 2);
  BOOST_TEST(gate.shards[0].rows == 2);
}

BOOST_AUTO_TEST_CASE(constant_images_are_written_and_counted) {
  ScratchFolder const run;
  Gate gate;
  Trace trace;
  OutputWriter writer(options_for(run), gate, trace);
  for (unsigned i = 0; i < 5; ++i) {
    ShardRow row = make_row(i);
    if (i % 2 == 0) std::fill(row.pixels.begin(), row.pixels.end(), std::uint8_t{200});
    writer.append(std::move(row));
  }
  writer.finish();
  BOOST_TEST(writer.constant_images() == 3U);
  VerifyReport const report = verify_run(run.text());
  BOOST_TEST(report.images == 5U);
  BOOST_TEST(report.constant_images == 3U);
}

BOOST_AUTO_TEST_CASE(a_refused_row_is_dropped) {
  ScratchFolder const run;
  Gate gate;
  gate.refused = "row1";
  Trace trace;
  OutputWriter writer(options_for(run), gate, trace);
  for (unsigned i = 0; i < 3; ++i) writer.append(make_row(i));
  writer.finish();
  std::map<std::string, int> const expected{{"row0", 1}, {"row2", 1}};
  BOOST_TEST((published_ids(run.text()) == expected));
}

BOOST_AUTO_TEST_CASE(a_full_queue_holds_the_caller_back) {
  ScratchFolder const run;
  std::promise<void> open;
  Gate gate;
  gate.blocked = open.get_future().share();
  Trace trace;
  WriterOptions options = options_for(run);
  options.queue_bytes = 3 * 16 * 8 * 3;  // three images, the one being written among them
  OutputWriter writer(options, gate, trace);
  std::atomic<int> appended = 0;
  double waited_s = 0;
  std::thread caller([&] {
    for (unsigned i = 0; i < 5; ++i) {
      waited_s += writer.append(make_row(i));
      ++appended;
    }
  });
  BOOST_TEST(comes_true([&] { return appended == 3; }));
  std::this_thread::sleep_for(300ms);
  BOOST_TEST(appended == 3);
  open.set_value();
  caller.join();
  writer.finish();
  BOOST_TEST(waited_s > 0.25);
  BOOST_TEST(published_ids(run.text()).size() == 5);
}

BOOST_AUTO_TEST_CASE(errors_of_the_thread_come_out) {
  ScratchFolder const run;
  Gate gate;
  gate.error_at = "row1";
  Trace trace;
  OutputWriter writer(options_for(run), gate, trace);
  auto const is_lost = [](Error const& error) { return error.code() == ExitCode::lost_peer; };
  writer.append(make_row(0));
  writer.append(make_row(1));
  auto const append_until_it_throws = [&] {
    for (unsigned i = 2; i < 1000; ++i) {
      writer.append(make_row(i));
      std::this_thread::sleep_for(1ms);
    }
  };
  BOOST_CHECK_EXCEPTION(append_until_it_throws(), Error, is_lost);
  BOOST_CHECK_EXCEPTION(writer.finish(), Error, is_lost);
}

BOOST_AUTO_TEST_CASE(without_finish_the_rows_are_left_for_the_next_job) {
  ScratchFolder const run;
  Gate gate;
  Trace trace;
  {
    WriterOptions options = options_for(run);
    options.part = "p0003";
    OutputWriter writer(options, gate, trace);
    for (unsigned i = 0; i < 4; ++i) writer.append(make_row(i));
    BOOST_TEST(comes_true([&] {
      for (Span const& span : trace.drain()) {
        if (span.name == "write" && span.record_id == "row3") return true;
      }
      return false;
    }));
  }
  BOOST_TEST(published_ids(run.text()).empty());
  RunContents contents = scan_run(run.text(), "p0003");
  BOOST_REQUIRE(contents.partials.size() == 1);
  Salvage const salvage = salvage_partial(contents.partials[0], run.text(), "p0003", contents);
  BOOST_TEST(salvage.kept_rows == 4);
  BOOST_TEST(fs::exists(run / "shards/16x8/p0003-000000.h5"));
}

BOOST_AUTO_TEST_CASE(rows_are_flushed_in_time) {
  ScratchFolder const run;
  Gate gate;
  Trace trace;
  WriterOptions options = options_for(run);
  options.output.flush_s = 0.1;
  OutputWriter writer(options, gate, trace);
  for (unsigned i = 0; i < 4; ++i) writer.append(make_row(i));
  // What a crash would leave: a copy of the file as it stands, without any further call.
  BOOST_TEST(comes_true([&] {
    for (Span const& span : trace.drain()) {
      if (span.name == "flush") return true;
    }
    return false;
  }));
  std::this_thread::sleep_for(1500ms);
  std::vector<std::string> const partials = scan_run(run.text(), "").partials;
  BOOST_REQUIRE(partials.size() == 1);
  fs::create_directories(run / "copy");
  fs::copy_file(partials[0], run / "copy/partial.h5");
  RunContents contents;
  BOOST_TEST(salvage_partial(run / "copy/partial.h5", run / "copy", "", contents).kept_rows == 4);
  writer.finish();
}

// Long before flush_s: when told to, and as soon as much is unflushed.
BOOST_AUTO_TEST_CASE(rows_are_flushed_when_little_time_may_be_left) {
  for (bool const is_told : {true, false}) {
    ScratchFolder const run;
    Gate gate;
    Trace trace;
    WriterOptions options = options_for(run);
    if (!is_told) options.unflushed_bytes = make_row(0).pixels.size() * 4;
    OutputWriter writer(options, gate, trace);
    for (unsigned i = 0; i < 4; ++i) writer.append(make_row(i));
    if (is_told) writer.flush_soon();
    BOOST_TEST(comes_true([&] { return writer.is_flushed(); }));
    std::vector<std::string> const partials = scan_run(run.text(), "").partials;
    BOOST_REQUIRE(partials.size() == 1);
    fs::create_directories(run / "copy");
    fs::copy_file(partials[0], run / "copy/partial.h5");
    RunContents contents;
    BOOST_TEST(salvage_partial(run / "copy/partial.h5", run / "copy", "", contents).kept_rows == 4);
    writer.append(make_row(4));
    BOOST_TEST(!writer.is_flushed());
    writer.finish();
    BOOST_TEST(writer.is_flushed());
  }
}

BOOST_AUTO_TEST_CASE(rows_are_written_in_the_version_of_the_folder) {
  for (int const version : {1, 2}) {
    ScratchFolder const run;
    Gate gate;
    gate.version = version;
    Trace trace;
    OutputWriter writer(options_for(run), gate, trace);
    ShardRow row = make_row(1);
    row.timing_s = {1, 3, 2};
    writer.append(row);
    writer.finish();
    BOOST_TEST_REQUIRE(gate.shards.size() == 1U);
    ShardFile const shard = ShardFile::open(run / gate.shards[0].file, H5Access::read);
    BOOST_TEST(shard.options().version == version);
    ShardRow const read = shard.read(0, ShardFile::Part::everything);
    BOOST_TEST(broken_part(read) == "");
    BOOST_TEST(read.model == (version == 1 ? "" : row.model));
    BOOST_TEST(read.phase_s == (version == 1 ? std::vector<float>{} : std::vector<float>{3}));
    BOOST_TEST(shard.read_keys()[0].record.identity == (version == 1 ? 1 : row.identity));
  }
}
