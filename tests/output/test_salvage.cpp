// What a job that was killed leaves behind: rows that were flushed are published, each once.
#define BOOST_TEST_MODULE salvage
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <thread>

#include "output/publish.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

BOOST_AUTO_TEST_CASE(flushed_rows_are_salvaged) {
  ScratchFolder const run;
  std::vector<ShardRow> const rows = make_rows(0, 20);
  std::string const partial = run / ".work/partial-s1-r0-0.h5";
  {
    ShardFile shard = ShardFile::create(run / ".work/living.h5", small_shard());
    for (int i = 0; i < 13; ++i) shard.append(rows[static_cast<std::size_t>(i)]);
    shard.flush();
    for (std::size_t i = 13; i < 20; ++i) shard.append(rows[i]);
    fs::copy_file(run / ".work/living.h5", partial);  // what a kill would leave now
  }
  RunContents contents = scan_run(run.text(), "");
  BOOST_TEST(contents.partials == std::vector<std::string>{partial});
  contents.next_shard_number["16x8"] = 7;
  Salvage const salvage = salvage_partial(partial, run.text(), "", contents);
  BOOST_TEST(salvage.kept_rows >= 13);
  BOOST_TEST(salvage.doubled_rows == 0);
  BOOST_REQUIRE(salvage.published);
  BOOST_TEST(salvage.published->file == "shards/16x8/000007.h5");
  BOOST_TEST(contents.next_shard_number["16x8"] == 8);
  BOOST_TEST(contents.done.size() == salvage.kept_rows);
  ShardFile const shard = ShardFile::open(run / "shards/16x8/000007.h5", H5Access::read);
  for (std::size_t i = 0; i < shard.rows(); ++i)
    BOOST_TEST(is_same(shard.read(i, ShardFile::Part::everything), rows[i]));
  BOOST_TEST(!fs::exists(partial));
}

BOOST_AUTO_TEST_CASE(published_and_broken_rows_are_cut_out) {
  ScratchFolder const run;
  std::vector<ShardRow> rows = make_rows(0, 10);
  write_shard(run / ".work/a.h5", {rows[2], rows[5]});
  (void)publish_shard(run / ".work/a.h5", run.text(), shard_path({"16x8", 0, ""}));
  std::vector<ShardRow> left = rows;
  left[7].pixels[0] ^= 1;                  // does not fit its hash
  left.insert(left.begin() + 9, rows[0]);  // stands in the same file before
  std::string const partial = run / ".work/partial-s1-r0-0.h5";
  write_shard(partial, left);

  RunContents contents = scan_run(run.text(), "");
  Salvage const salvage = salvage_partial(partial, run.text(), "", contents);
  BOOST_TEST(salvage.kept_rows == 7);
  BOOST_TEST(salvage.doubled_rows == 3);
  BOOST_TEST(salvage.lost_rows == 1);
  BOOST_TEST(fs::is_empty(run / ".work"));
  std::map<std::string, int> const ids = published_ids(run.text());
  BOOST_TEST(ids.size() == 9);
  BOOST_TEST(ids.count("row7") == 0);
  for (auto const& [id, count] : ids) BOOST_TEST(count == 1, id);
  ShardFile const shard = ShardFile::open(run / "shards/16x8/000001.h5", H5Access::read);
  BOOST_TEST(is_same(shard.read(6, ShardFile::Part::everything), rows[9]));
  BOOST_TEST(shard.options().phase_names == small_shard().phase_names);

  write_shard(partial, rows);  // the rest of it comes once more: all but row 7 is there
  Salvage const again = salvage_partial(partial, run.text(), "", contents);
  BOOST_TEST(again.kept_rows == 1);
  BOOST_TEST(published_ids(run.text()).size() == 10);
  Salvage const nothing = [&] {
    write_shard(partial, rows);
    return salvage_partial(partial, run.text(), "", contents);
  }();
  BOOST_TEST(!nothing.published);
  BOOST_TEST(nothing.doubled_rows == 10);
  BOOST_TEST(!fs::exists(partial));
}

// A row whose bytes cannot be read does not take the others with it.
// HDF5 says how many rows there are before it has stored them: zeros are read, and no error.
BOOST_AUTO_TEST_CASE(a_row_is_not_believed_for_the_length_of_its_columns) {
  ScratchFolder const run;
  std::string const partial = run / ".work/partial-s1-r0-0.h5";
  {
    ShardFile shard = ShardFile::create(partial, small_shard());
    for (ShardRow const& row : make_rows(0, 3)) shard.append(row);
    shard.truncate(4);
    BOOST_TEST(shard.rows() == 4U);
    BOOST_CHECK_NO_THROW((void)shard.read(3, ShardFile::Part::everything));
    shard.flush();
  }
  RunContents contents = scan_run(run.text(), "");
  Salvage const salvage = salvage_partial(partial, run.text(), "", contents);
  BOOST_TEST(salvage.kept_rows == 3U);
  BOOST_TEST(salvage.lost_rows == 1U);
  BOOST_TEST(published_ids(run.text()).count("") == 0U);
}

BOOST_AUTO_TEST_CASE(an_unreadable_row_costs_only_itself) {
  ScratchFolder const run;
  std::vector<ShardRow> const rows = make_rows(0, 6);
  std::string const partial = run / ".work/partial-s1-r0-0.h5";
  write_shard(partial, rows, 0);
  std::string bytes = read_bytes(partial);
  std::size_t const at = bytes.find(std::string(rows[3].pixels.begin(), rows[3].pixels.end()));
  BOOST_REQUIRE(at != std::string::npos);
  bytes[at + 10] = static_cast<char>(bytes[at + 10] ^ 4);  // fletcher32 refuses this chunk
  write_bytes(partial, bytes);
  RunContents contents = scan_run(run.text(), "");
  Salvage const salvage = salvage_partial(partial, run.text(), "", contents);
  BOOST_TEST(salvage.kept_rows == 5);
  BOOST_TEST(salvage.lost_rows == 1);
  BOOST_TEST(published_ids(run.text()).count("row3") == 0);
}

BOOST_AUTO_TEST_CASE(a_file_without_a_flush_is_removed) {
  ScratchFolder const run;
  for (std::string const& bytes :
       {std::string(), std::string(5000, '\0'), std::string("\x89HDF\r\n\x1a\n")}) {
    std::string const partial = run / ".work/partial-s1-r0-0.h5";
    write_bytes(partial, bytes);
    RunContents contents = scan_run(run.text(), "");
    Salvage const salvage = salvage_partial(partial, run.text(), "", contents);
    BOOST_TEST((!salvage.published && salvage.kept_rows == 0));
    BOOST_TEST(!fs::exists(partial));
  }
}

// A child writes and says what it has flushed, and is killed at any instant: those rows are there.
BOOST_AUTO_TEST_CASE(kill_at_any_instant) {
  ScratchFolder const run;
  std::vector<ShardRow> const rows = make_rows(0, 240);
  std::mt19937 random(11);
  std::uint64_t flushed_in_all = 0;
  for (int round = 0; round < 24; ++round) {
    std::string const partial = run / (".work/partial-" + std::to_string(round) + ".h5");
    int pipe_ends[2];
    BOOST_REQUIRE(::pipe(pipe_ends) == 0);
    pid_t const child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      try {
        ShardFile shard = ShardFile::create(partial, small_shard());
        for (std::size_t i = 0; i < rows.size(); ++i) {
          shard.append(rows[i]);
          if (i % 3 != 2) continue;
          shard.flush();
          auto const count = static_cast<std::uint32_t>(i + 1);
          if (::write(pipe_ends[1], &count, sizeof count) != sizeof count) ::_exit(1);
        }
      } catch (...) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    ::close(pipe_ends[1]);
    std::uint32_t const kill_after = 3 * (random() % 75);
    std::uint32_t flushed = 0;
    while (flushed < kill_after &&
           ::read(pipe_ends[0], &flushed, sizeof flushed) == sizeof flushed) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    BOOST_TEST((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));
    while (::read(pipe_ends[0], &flushed, sizeof flushed) == sizeof flushed) {
    }
    ::close(pipe_ends[0]);
    flushed_in_all += flushed;

    std::string const target = run / ("run" + std::to_string(round));
    fs::create_directories(target);
    RunContents contents;
    std::uint64_t kept = 0;
    if (fs::exists(partial)) kept = salvage_partial(partial, target, "", contents).kept_rows;
    BOOST_TEST(kept >= flushed, "round " << round << ": " << kept << " rows of " << flushed);
    if (kept == 0) continue;
    ShardFile const shard = ShardFile::open(target + "/shards/16x8/000000.h5", H5Access::read);
    BOOST_TEST(shard.rows() == kept);
    for (std::uint64_t i = 0; i < kept; ++i)
      BOOST_REQUIRE(is_same(shard.read(i, ShardFile::Part::everything), rows[i]));
  }
  BOOST_TEST(flushed_in_all > 500);  // the test saw files worth salvaging
}
