// A run folder: what is done, which numbers come next, its index and its failures.
#define BOOST_TEST_MODULE run_folder
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>
#include <thread>

#include "core/error.hpp"
#include "output/export_run.hpp"
#include "output/publish.hpp"
#include "output/repair_run.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"
#include "output/verify_run.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

namespace {

PublishedShard publish_rows(ScratchFolder const& run, std::vector<ShardRow> const& rows, int number,
                            std::string const& part = "") {
  write_shard(run / ".work/partial.h5", rows);
  return publish_shard(run / ".work/partial.h5", run.text(), shard_path({"16x8", number, part}));
}

bool has_line(std::vector<std::string> const& lines, std::string const& a, std::string const& b) {
  for (std::string const& line : lines) {
    if (line.find(a) != std::string::npos && line.find(b) != std::string::npos) return true;
  }
  return false;
}

void allow_writing(std::string const& path) {
  fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_shards_say_what_is_done) {
  ScratchFolder const run;
  RunContents const empty = scan_run(run.text(), "");
  BOOST_TEST((empty.done.empty() && empty.shards.empty() && empty.partials.empty()));
  publish_rows(run, make_rows(0, 3), 0);
  publish_rows(run, make_rows(3, 2), 4);
  publish_rows(run, make_rows(5, 1), 2, "p0007");
  for (char const* name : {"partial-s1-r0-0.h5", "partial-p0007-s1-r0-0.h5",
                           "partial-p0008-s1-r0-0.h5", "partial-s1-r0-1.txt"})
    write_bytes(run / (std::string(".work/") + name), "");

  RunContents const all = scan_run(run.text(), "");
  BOOST_TEST(all.done.size() == 6);
  ShardRow const row = make_row(4);
  BOOST_TEST((all.done.at({row.id, row.index}).record_sha256 == row.record_sha256));
  BOOST_TEST(all.next_shard_number.at("16x8") == 5);
  BOOST_TEST(all.partials == std::vector<std::string>{run / ".work/partial-s1-r0-0.h5"});
  RunContents const part = scan_run(run.text(), "p0007");
  BOOST_TEST(part.done.size() == 6);
  BOOST_TEST(part.next_shard_number.at("16x8") == 3);
  BOOST_TEST(part.partials == std::vector<std::string>{run / ".work/partial-p0007-s1-r0-0.h5"});
}

// A reader of Hugging Face takes the columns of the first file for those of all.
BOOST_AUTO_TEST_CASE(the_oldest_schema_of_a_size_is_known) {
  ScratchFolder const run;
  unsigned number = 0;
  for (int const version : {2, 1, 2}) {
    write_shard(run / ".work/partial.h5", make_rows(number * 10, 2, version));
    (void)publish_shard(run / ".work/partial.h5", run.text(),
                        shard_path({"16x8", static_cast<int>(number++), ""}));
  }
  RunContents contents = scan_run(run.text(), "");
  BOOST_TEST(contents.schema_version.at("16x8") == 1);
  ScratchFolder const other;
  write_shard(other / ".work/partial-old.h5", make_rows(0, 2, 1));
  contents = scan_run(other.text(), "");
  BOOST_TEST(contents.schema_version.count("16x8") == 0U);
  (void)salvage_partial(other / ".work/partial-old.h5", other.text(), "", contents);
  BOOST_TEST(contents.schema_version.at("16x8") == 1);
}

BOOST_AUTO_TEST_CASE(a_broken_published_shard_stops_a_resume) {
  ScratchFolder const run;
  publish_rows(run, make_rows(0, 3), 0);
  write_bytes(run / "shards/16x8/000001.h5", "no HDF5");
  BOOST_CHECK_EXCEPTION((void)scan_run(run.text(), ""), Error, [](Error const& error) {
    return error.code() == ExitCode::io &&
           std::string(error.what()).find("000001.h5") != std::string::npos;
  });
}

// What a reader of shards/*/*.h5 would meet beside the shards.
BOOST_AUTO_TEST_CASE(what_is_no_shard_stops_a_resume_until_repair_takes_it_out) {
  ScratchFolder const run;
  publish_rows(run, make_rows(0, 3), 0);
  publish_rows(run, make_rows(3, 2), 1);
  fs::rename(run / "shards/16x8/000001.h5", run / "shards/16x8/a.h5");  // two images of its own
  fs::copy_file(run / "shards/16x8/000000.h5", run / "shards/16x8/x_0000001.h5");
  fs::create_directories(run / "shards/backup");
  fs::copy_file(run / "shards/16x8/000000.h5", run / "shards/backup/000000.h5");
  write_bytes(run / "shards/b.h5", "no HDF5");
  fs::create_directory(run / "shards/16x8/000007.h5");
  BOOST_REQUIRE(::mkfifo((run / "shards/16x8/000008.h5").c_str(), 0644) == 0);
  fs::create_symlink("nowhere", run / "shards/16x8/000009.h5");
  fs::create_symlink("nowhere", run / "shards/32x8");
  std::vector<std::string> const foreign{
      "shards/16x8/000007.h5", "shards/16x8/000008.h5",    "shards/16x8/000009.h5",
      "shards/16x8/a.h5",      "shards/16x8/x_0000001.h5", "shards/32x8",
      "shards/b.h5",           "shards/backup/000000.h5"};
  write_bytes(run / "shards/16x8/notes.txt", "not read as a shard by anybody");

  BOOST_TEST(list_shards(run.text()).foreign == foreign);
  BOOST_CHECK_EXCEPTION((void)scan_run(run.text(), ""), Error, [](Error const& error) {
    return error.code() == ExitCode::io &&
           std::string(error.what()).find("000007.h5: is no shard") != std::string::npos;
  });
  std::vector<std::string> const problems = verify_run(run.text()).problems;
  for (std::string const& file : foreign) BOOST_TEST(has_line(problems, file + ":", "is no shard"));

  RepairReport const report = repair_run(run.text(), Originals::keep);
  BOOST_TEST(report.sound_shards == 1U);
  BOOST_TEST(report.withdrawn_shards == foreign.size());
  BOOST_TEST(has_line(report.lines, "shards/16x8/a.h5", "its 2 sound images"));
  BOOST_TEST(scan_run(run.text(), "").done.size() == 5U);
  VerifyReport const sound = verify_run(run.text());
  BOOST_TEST(sound.problems.empty());
  BOOST_TEST(sound.images == 5U);
}

// Where another user may write: nobody waits for a pipe for ever, and no link leads a write astray.
BOOST_AUTO_TEST_CASE(pipes_and_links_for_the_folders_own_files_are_refused) {
  ScratchFolder const run;
  publish_rows(run, make_rows(0, 3), 0);
  BOOST_REQUIRE(::mkfifo((run / ".work/partial-s1-r0-0.h5").c_str(), 0644) == 0);
  BOOST_TEST(partial_files(run.text(), "").empty());
  fs::remove(run / "index.jsonl");
  write_bytes(run / "precious", "precious");
  fs::create_symlink(run / "precious", run / "index.jsonl");
  BOOST_CHECK_THROW(append_index_line(run / "index.jsonl", {}), Error);
  BOOST_TEST(read_bytes(run / "precious") == "precious");
  fs::remove(run / "index.jsonl");
  BOOST_REQUIRE(::mkfifo((run / "index.jsonl").c_str(), 0644) == 0);
  BOOST_CHECK_EXCEPTION((void)read_all_indexes(run.text()), Error, [](Error const& error) {
    return std::string(error.what()).find("index.jsonl: is no plain file (") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(shards_on_another_file_system_are_refused_at_once) {
  ScratchFolder const run;
  require_one_file_system(run.text());
  std::string const other = "/dev/shm/ditbatch-" + std::to_string(::getpid());
  struct stat here {
  }, there{};
  BOOST_REQUIRE(::stat(run.text().c_str(), &here) == 0);
  if (::stat("/dev/shm", &there) != 0 || here.st_dev == there.st_dev) return;
  fs::create_directories(other);
  fs::create_symlink(other, run / "shards");
  BOOST_CHECK_THROW(require_one_file_system(run.text()), Error);
  fs::remove_all(other);
}

BOOST_AUTO_TEST_CASE(the_index_is_rebuilt_from_the_shards) {
  ScratchFolder const run;
  std::string const path = run / "index.jsonl";
  append_index_line(path, publish_rows(run, make_rows(0, 3), 0));
  PublishedShard const second = publish_rows(run, make_rows(3, 2), 1);
  append_index_line(path, second);
  publish_rows(run, make_rows(5, 1), 0, "p0007");
  std::string const whole = read_bytes(path);
  auto const rebuild = [&] { rebuild_index(path, run.text(), scan_run(run.text(), ""), ""); };

  rebuild();
  BOOST_TEST(read_bytes(path) == whole);
  fs::remove(path);
  rebuild();
  BOOST_TEST(read_bytes(path) == whole);
  fs::resize_file(path, whole.size() - 20);  // the last line cut off by a crash
  rebuild();
  BOOST_TEST(read_bytes(path) == whole);
  append_index_line(path, {"shards/16x8/000009.h5", 1, 2, {}, {}});  // of a shard that is gone
  rebuild();
  BOOST_TEST(read_bytes(path) == whole);
  write_bytes(path, "{\"file\": 3}\n[]\nnothing\n" + whole);
  rebuild();
  std::vector<IndexLine> const lines = read_index_lines(path);
  BOOST_REQUIRE(lines.size() == 2);
  BOOST_TEST(lines[1].file == second.file);
  BOOST_TEST(lines[1].rows == 2);
  BOOST_TEST(lines[1].bytes == second.bytes);
  BOOST_TEST(lines[1].sha256 == to_hex(second.sha256));

  write_bytes(path, "{\"file\": \"shar");  // a line is never glued to a cut one
  append_index_line(path, second);
  BOOST_TEST(read_index_lines(path).size() == 1);
}

BOOST_AUTO_TEST_CASE(failures_are_kept_and_forgotten) {
  ScratchFolder const run;
  std::string const path = run / "failed.jsonl";
  BOOST_TEST(read_failed_lines(path).empty());
  append_failed_line(path, {"a", 1, 3, "NaN in \"latents\"\n\xff"});
  append_failed_line(path, {"b", 0, 2, "out of memory"});
  std::vector<FailedLine> lines = read_failed_lines(path);
  BOOST_REQUIRE(lines.size() == 2);
  BOOST_TEST(lines[0].id == "a");
  BOOST_TEST(lines[0].index == 1);
  BOOST_TEST(lines[0].attempts == 3);
  BOOST_TEST(lines[0].error.find("NaN in \"latents\"\n") == 0);
  lines.erase(lines.begin());
  write_failed_lines(path, lines);
  BOOST_TEST(read_failed_lines(path).size() == 1);
  BOOST_TEST(read_failed_lines(path)[0].id == "b");
  write_failed_lines(path, {});
  BOOST_TEST(!fs::exists(path));
}

BOOST_AUTO_TEST_CASE(each_launch_gets_a_session_of_its_own) {
  ScratchFolder const run;
  std::vector<int> sessions(16);
  std::vector<std::thread> threads;
  for (int& session : sessions)
    threads.emplace_back([&] { session = make_session_folder(run.text()); });
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(std::set<int>(sessions.begin(), sessions.end()).size() == sessions.size());
  BOOST_TEST(fs::is_directory(run / "sessions/0016/trace"));
}

BOOST_AUTO_TEST_CASE(verify_names_what_is_wrong) {
  ScratchFolder const run;
  std::string const index = run / "index.jsonl";
  append_index_line(index, publish_rows(run, make_rows(0, 3), 0));
  append_index_line(index, publish_rows(run, make_rows(3, 3), 1));
  VerifyReport const sound = verify_run(run.text());
  BOOST_TEST(sound.problems.empty());
  BOOST_TEST((sound.shards == 2 && sound.images == 6));

  publish_rows(run, {make_row(9), make_row(4)}, 2);  // row4 stands in shard 1 already
  fs::create_directories(run / "shards/32x8");
  fs::copy_file(run / "shards/16x8/000002.h5", run / "shards/32x8/000000.h5");
  fs::remove(run / "shards/16x8/000000.h5");
  allow_writing(run / "shards/16x8/000001.h5");
  write_bytes(run / "shards/16x8/000001.h5", read_bytes(run / "shards/16x8/000001.h5") + "x");
  write_bytes(run / "shards/16x8/000003.h5", "no HDF5");
  std::vector<std::string> const problems = verify_run(run.text()).problems;
  BOOST_TEST(has_line(problems, "shards/16x8/000000.h5", "missing"));
  BOOST_TEST(has_line(problems, "shards/16x8/000001.h5", "SHA-256 differs"));
  BOOST_TEST(has_line(problems, "000002.h5: row 1 (row4[", "000001.h5 row 1 too"));
  BOOST_TEST(has_line(problems, "shards/32x8/000000.h5", "another image size"));
  BOOST_TEST(has_line(problems, "shards/16x8/000003.h5", "cannot be opened"));
  BOOST_CHECK_THROW((void)verify_run(run / "nowhere"), Error);
}

BOOST_AUTO_TEST_CASE(a_model_that_the_shard_does_not_list_is_found) {
  ScratchFolder const run;
  std::vector<ShardRow> rows = make_rows(0, 4);  // of the models that the shard lists
  rows[1].model = "another";
  rows[2].model = "";  // of a shard that was upgraded, whose session is gone
  for (ShardRow& row : rows) seal(row);
  publish_rows(run, rows, 0);
  std::vector<std::string> const problems = verify_run(run.text()).problems;
  BOOST_TEST(problems.size() == 1U);
  BOOST_TEST(has_line(problems, "row 1 (row1[", "'another' is not in the shard's list"));
}

BOOST_AUTO_TEST_CASE(compare_measures_one_changed_byte) {
  ScratchFolder const runs;
  fs::create_directories(runs / "a/.work");
  fs::create_directories(runs / "b/.work");
  std::vector<ShardRow> rows = make_rows(0, 4);
  auto const publish = [&](std::string const& run, std::vector<ShardRow> const& made) {
    write_shard(run + "/.work/partial.h5", made);
    (void)publish_shard(run + "/.work/partial.h5", run, shard_path({"16x8", 0, ""}));
  };
  publish(runs / "a", {rows[0], rows[1], rows[2]});
  std::uint8_t& byte = rows[1].pixels[5];
  byte = static_cast<std::uint8_t>(byte < 128 ? byte + 10 : byte - 10);
  seal(rows[1]);
  publish(runs / "b", {rows[3], rows[1], rows[0]});
  CompareReport const report = compare_runs(runs / "a", runs / "b");
  BOOST_TEST(report.identical == 1);
  BOOST_TEST(report.differences.size() == 3);
  char psnr[64];
  std::snprintf(psnr, sizeof psnr, "PSNR %.2f dB",
                20 * std::log10(255.0 / (10 / std::sqrt(16.0 * 8 * 3))));
  BOOST_TEST(has_line(report.differences, "row1[", std::string("largest difference 10, ") + psnr));
  BOOST_TEST(has_line(report.differences, "row2[", "missing in " + (runs / "b")));
  BOOST_TEST(has_line(report.differences, "row3[", "missing in " + (runs / "a")));
}

BOOST_AUTO_TEST_CASE(an_export_stays_in_its_folder) {
  ScratchFolder const run;
  ShardRow row = make_row(0);
  for (char const* id : {"../../escaped", "/tmp/escaped", "a/b", "", "a\nb"}) {
    fs::remove_all(run / "shards");
    row.id = id;
    seal(row);
    publish_rows(run, {row}, 0);
    BOOST_CHECK_THROW((void)export_imagefolder(run.text(), run / "out/deep/folder"), Error);
    for (auto const& entry : fs::recursive_directory_iterator(run / "out"))
      BOOST_TEST((entry.path().extension() != ".png"), entry.path());
  }
  fs::remove_all(run / "shards");
  // These two would share a name if the index were left out.
  ShardRow second = make_row(1);
  row.id = "fox";
  row.index = 1;
  second.id = "fox-1";
  second.index = 0;
  seal(row);
  seal(second);
  publish_rows(run, {row, second}, 0);
  BOOST_TEST(export_imagefolder(run.text(), run / "good") == 2);
  BOOST_TEST(fs::exists(run / "good/16x8/fox-1.png"));
  BOOST_TEST(fs::exists(run / "good/16x8/fox-1-0.png"));
  BOOST_TEST(!fs::exists(run / "good/16x8/metadata.jsonl.new"));
  std::string const models = read_bytes(run / "good/provenance.json");
  BOOST_TEST(models.find(R"("name":"model2")") != std::string::npos, models);
}
