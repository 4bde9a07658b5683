#define BOOST_TEST_MODULE upgrade_run
#include <sys/stat.h>

#include "core/error.hpp"
#include "output/broken_writes.hpp"
#include "output/perceptual_hash.hpp"
#include "output/publish.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"
#include "output/upgrade_run.hpp"
#include "output/verify_run.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

namespace {

void publish(ScratchFolder const& run, std::vector<ShardRow> const& rows, ShardName const& name) {
  std::string const partial = partial_path(run.text(), name.part, "made");
  write_shard(partial, rows);
  append_index_line(index_path(run.text(), name.part),
                    publish_shard(partial, run.text(), shard_path(name)));
}

// Two shards of version 1 and one of version 2, one of them of a part, and a partial shard of
// version 1. -> what the rows are
std::vector<ShardRow> make_old_run(ScratchFolder const& run) {
  std::vector<ShardRow> rows;
  auto const next = [&rows](unsigned count, int version) {
    std::vector<ShardRow> made = make_rows(static_cast<unsigned>(rows.size()), count, version);
    rows.insert(rows.end(), made.begin(), made.end());
    return made;
  };
  publish(run, next(3, 1), {"16x8", 0, ""});
  publish(run, next(2, 1), {"16x8", 0, "p0002"});
  publish(run, next(2, 2), {"16x8", 1, ""});
  ShardFile partial = ShardFile::create(partial_path(run.text(), "", "s3-r0-0"), small_shard(1, 1));
  for (ShardRow const& row : next(2, 1)) partial.append(row);
  partial.flush();
  return rows;
}

// A row of the published shards, by id; throws where it is not there exactly once.
std::map<std::string, ShardRow> published_rows(std::string const& run_dir) {
  std::map<std::string, ShardRow> rows;
  for (std::string const& file : shard_files(run_dir)) {
    ShardFile const shard = ShardFile::open(run_dir + "/" + file, H5Access::read);
    for (std::uint64_t i = 0; i < shard.rows(); ++i) {
      ShardRow row = shard.read(i, ShardFile::Part::everything);
      require(rows.emplace(row.id, row).second, ExitCode::io, row.id + " stands twice");
    }
  }
  return rows;
}

// The row as it was, but for what an upgrade adds.
bool was(ShardRow row, ShardRow const& old) {
  row.version = old.version;
  if (old.version == 1) row.row_sha256 = old.row_sha256;
  return is_same(row, old);
}

void check_upgraded(ScratchFolder const& run, std::vector<ShardRow> const& rows) {
  auto const published = published_rows(run.text());
  BOOST_TEST(published.size() == rows.size());
  for (ShardRow const& row : rows) {
    ShardRow const& now = published.at(row.id);
    BOOST_TEST(now.version == 2);
    BOOST_TEST(broken_part(now) == "");
    BOOST_TEST(was(now, row), row.id);
    if (row.version == 2) continue;
    BOOST_TEST((now.identity == 1 && now.bits == 0));
    BOOST_TEST(now.phash == perceptual_hash(row.pixels, row.width, row.height));
    BOOST_TEST(now.phase_s == slowest_ranks(row.timing_s, 2));
  }
  VerifyReport const report = verify_run(run.text());
  BOOST_TEST(report.problems.empty(), (report.problems.empty() ? "" : report.problems.front()));
  BOOST_TEST(read_all_indexes(run.text()).size() == report.shards);
}

}  // namespace

BOOST_AUTO_TEST_CASE(old_shards_get_the_newest_columns) {
  ScratchFolder const run;
  std::vector<ShardRow> const rows = make_old_run(run);
  UpgradeReport const report = upgrade_run(run.text());
  BOOST_TEST(report.upgraded_shards == 3U);  // with what was salvaged
  BOOST_TEST(report.upgraded_images == 7U);
  BOOST_TEST(report.newest_shards == 1U);
  BOOST_TEST(report.salvaged_images == 2U);
  check_upgraded(run, rows);
  BOOST_TEST(fs::exists(run / shard_path({"16x8", 0, "p0002"})));
  BOOST_TEST(fs::is_empty(run / ".work"));
  struct stat status {};
  BOOST_TEST(::stat((run / shard_path({"16x8", 0, ""})).c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0222) == 0U);
  BOOST_TEST(upgrade_run(run.text()).upgraded_shards == 0U);
}

BOOST_AUTO_TEST_CASE(a_broken_row_is_not_upgraded) {
  ScratchFolder const run;
  std::vector<ShardRow> rows = make_rows(0, 2, 1);
  rows[1].prompt += "x";  // after it was hashed
  std::string const path = run / shard_path({"16x8", 0, ""});
  fs::create_directories(fs::path(path).parent_path());
  write_shard(path, rows);
  std::string const before = read_bytes(path);
  BOOST_CHECK_EXCEPTION((void)upgrade_run(run.text()), Error, [](Error const& error) {
    return std::string(error.what()).find("row 1 (row1) is broken") != std::string::npos;
  });
  BOOST_TEST(read_bytes(path) == before);
}

// Every image stands in one published shard at every instant, and a second upgrade comes to the
// end.
BOOST_AUTO_TEST_CASE(an_upgrade_killed_in_any_call_is_made_again) {
  ScratchFolder const origin;
  std::vector<ShardRow> const rows = make_old_run(origin);
  ScratchFolder const run;
  for (Fault const fault : {Fault::kill_before, Fault::kill_within}) {
    int number = 0;
    for (bool survived = false; !survived; number += 13) {
      fs::remove_all(run.text());
      fs::copy(origin.text(), run.text(), fs::copy_options::recursive);
      survived = survives([&] {
        break_write(number, fault);
        (void)upgrade_run(run.text());
      });
      // Two rows are in the partial shard until it is salvaged.
      auto const published = published_rows(run.text());
      BOOST_TEST(published.size() >= rows.size() - 2, "killed in call " << number);
      for (ShardRow const& row : rows) {
        auto const now = published.find(row.id);
        if (now == published.end()) continue;
        BOOST_TEST(broken_part(now->second) == "");
        BOOST_TEST(was(now->second, row), "killed in call " << number);
      }
      BOOST_TEST(verify_run(run.text()).problems.empty(), "killed in call " << number);
      (void)upgrade_run(run.text());
      check_upgraded(run, rows);
      BOOST_TEST(fs::is_empty(run / ".work"), "killed in call " << number);
    }
    BOOST_TEST(number > 100);
  }
}
