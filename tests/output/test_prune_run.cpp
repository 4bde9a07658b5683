// Images that are taken out are gone, with their bytes, and nothing else is, wherever a prune is
// killed.
#define BOOST_TEST_MODULE prune_run
#include <set>

#include "core/error.hpp"
#include "output/broken_writes.hpp"
#include "output/prune_run.hpp"
#include "output/publish.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"
#include "output/verify_run.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

namespace {

// Pixels stand in the files as they are, so that they can be looked for.
constexpr int no_compression = 0;
constexpr unsigned rows_of_run = 9;
std::set<unsigned> const taken{1, 3, 4, 7};

ImageKey key_of(unsigned number) {
  ShardRow const row = make_row(number);
  return {row.id, row.index};
}

// Rows 0 to 2, 3 and 4 (all of which are taken out), 5 and 6 of a part; 7 and 8 in a partial shard.
// Row 1 was withdrawn before too.
void make_run(ScratchFolder const& run) {
  auto const publish = [&](unsigned first, unsigned count, ShardName const& name) {
    std::string const partial = partial_path(run.text(), name.part, "made");
    write_shard(partial, make_rows(first, count), no_compression);
    append_index_line(index_path(run.text(), name.part),
                      publish_shard(partial, run.text(), shard_path(name)));
  };
  publish(0, 3, {"16x8", 0, ""});
  publish(3, 2, {"16x8", 1, ""});
  publish(5, 2, {"16x8", 0, "p0002"});
  ShardFile partial =
      ShardFile::create(partial_path(run.text(), "", "s3-r0-0"), small_shard(no_compression));
  for (ShardRow const& row : make_rows(7, 2)) partial.append(row);
  partial.flush();
  fs::create_directories(withdrawn_folder(run.text()));
  write_shard(withdrawn_path(run.text(), shard_path({"16x8", 0, ""})), make_rows(1, 1),
              no_compression);
  append_failed_line(failed_path(run.text(), ""), {"lost", 0, 3, "broken"});
}

void prune(std::string const& run_dir) {
  (void)salvage_all(run_dir, LastWriter::gone);
  Tombstones tombstones = read_tombstones(run_dir);
  for (unsigned const number : taken) {
    ImageKey const key = key_of(number);
    tombstones.all[{key.id, key.index}] = {1, "asked for", "2026-01-01T00:00:00Z"};
  }
  tombstones.all[{"lost", std::nullopt}] = {};
  carry_out(run_dir,
            plan_prune(run_dir, tombstones,
                       [](RowKey const& row) {
                         return key_of(3) == ImageKey{row.id, row.index};
                       }),
            tombstones);
}

// Files that hold the pixels of an image that was taken out.
std::vector<std::string> files_with_taken(std::string const& run_dir) {
  std::vector<std::string> found;
  for (auto const& entry : fs::recursive_directory_iterator(run_dir)) {
    if (!entry.is_regular_file()) continue;
    std::string const bytes = read_bytes(entry.path());
    for (unsigned const number : taken) {
      std::vector<std::uint8_t> const pixels = make_row(number).pixels;
      if (bytes.find(std::string(pixels.begin(), pixels.end())) != std::string::npos)
        found.push_back(entry.path());
    }
  }
  return found;
}

// How often every row stands in the published shards.
std::vector<int> published_counts(std::string const& run_dir) {
  std::map<std::string, int> const ids = published_ids(run_dir);
  std::vector<int> counts;
  for (unsigned number = 0; number < rows_of_run; ++number) {
    auto const found = ids.find(make_row(number).id);
    counts.push_back(found == ids.end() ? 0 : found->second);
  }
  return counts;
}

void check_pruned(ScratchFolder const& run, std::string const& when) {
  BOOST_TEST_CONTEXT(when) {
    for (unsigned number = 0; number < rows_of_run; ++number)
      BOOST_TEST(published_counts(run.text())[number] == (taken.count(number) != 0 ? 0 : 1));
    BOOST_TEST(files_with_taken(run.text()).empty());
    VerifyReport const report = verify_run(run.text());
    BOOST_TEST(report.problems.empty(), (report.problems.empty() ? "" : report.problems.front()));
    BOOST_TEST(read_all_indexes(run.text()).size() == report.shards);
    BOOST_TEST(fs::is_empty(run / ".work"));
    BOOST_TEST(!fs::exists(run / shard_path({"16x8", 1, ""})));
    BOOST_TEST(read_failed_lines(failed_path(run.text(), "")).empty());
    BOOST_TEST(read_tombstones(run.text()).images() == taken.size() + 1);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_prune_killed_in_any_call_is_brought_to_its_end) {
  ScratchFolder const origin;
  make_run(origin);
  BOOST_TEST(files_with_taken(origin.text()).size() == 5U);
  ScratchFolder const run;
  for (Fault const fault : {Fault::kill_before, Fault::kill_within}) {
    int number = 0;
    for (bool survived = false; !survived; number += 41) {
      std::string const when = "killed in call " + std::to_string(number);
      fs::remove_all(run.text());
      fs::copy(origin.text(), run.text(), fs::copy_options::recursive);
      survived = survives([&] {
        break_write(number, fault);
        prune(run.text());
      });
      std::vector<int> const counts = published_counts(run.text());
      for (unsigned row = 0; row < 7; ++row)
        BOOST_TEST((counts[row] == 1 || (counts[row] == 0 && taken.count(row) != 0)), when);
      prune(run.text());
      check_pruned(run, when);
    }
    BOOST_TEST(number > 100);
  }
}

// A job that lost its folder may leave such a row behind after the prune.
BOOST_AUTO_TEST_CASE(what_was_taken_out_is_not_salvaged) {
  ScratchFolder const run;
  make_run(run);
  prune(run.text());
  {
    ShardFile partial =
        ShardFile::create(partial_path(run.text(), "", "late"), small_shard(no_compression));
    for (unsigned const row : {10U, 11U, 4U}) partial.append(make_row(row));
    partial.flush();
  }
  BOOST_TEST(salvage_all(run.text(), LastWriter::gone) == 2U);
  BOOST_TEST(files_with_taken(run.text()).empty());
  BOOST_TEST(published_ids(run.text()).count(make_row(4).id) == 0U);
  rebuild_indexes(run.text());
  check_pruned(run, "after a late row");
}

BOOST_AUTO_TEST_CASE(a_published_row_with_a_tombstone_is_a_problem_and_not_done) {
  ScratchFolder const run;
  make_run(run);
  ImageKey const key = key_of(0);
  write_tombstones(run.text(), {{{{key.id, std::nullopt}, {1, "", ""}}}});
  VerifyReport const report = verify_run(run.text());
  BOOST_TEST(report.problems.size() == 1U);
  BOOST_TEST(report.problems.front().find("was taken out and still stands here") !=
             std::string::npos);
  BOOST_TEST(scan_run(run.text(), "").done.count(key) == 0U);
}

BOOST_AUTO_TEST_CASE(a_tombstone_that_cannot_be_read_is_an_error) {
  ScratchFolder const run;
  Tombstones tombstones;
  tombstones.all[{"fox", std::nullopt}] = {3, "they \"asked\"\n", "2026-01-01T00:00:00Z"};
  tombstones.all[{"owl", std::uint16_t{2}}] = {};
  write_tombstones(run.text(), tombstones);
  Tombstones const read = read_tombstones(run.text());
  BOOST_TEST((read.hold({"fox", 9}) && read.hold({"owl", 2}) && !read.hold({"owl", 1})));
  BOOST_TEST((read.images() == 4U && read.all.size() == 2U));
  write_bytes(taken_out_path(run.text()), read_bytes(taken_out_path(run.text())) + "{\"id\":\"el");
  BOOST_CHECK_EXCEPTION((void)read_tombstones(run.text()), Error, [](Error const& error) {
    return std::string(error.what()).find("taken_out.jsonl:3: ") != std::string::npos;
  });
  fs::remove(taken_out_path(run.text()));
  fs::create_directory(taken_out_path(run.text()));
  BOOST_CHECK_THROW((void)read_tombstones(run.text()), Error);
}
