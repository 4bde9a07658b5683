#define BOOST_TEST_MODULE run_paths
#include <sys/stat.h>

#include "core/error.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_AUTO_TEST_CASE(names_of_shards_are_parsed_as_they_are_made) {
  for (int const number : {0, 12, 999999, 1000000, 123456789}) {
    for (char const* part : {"", "p0007", "p12345"}) {
      std::string const file = shard_path({"1024x768", number, part});
      auto const parsed = parse_shard_path(file);
      BOOST_TEST_REQUIRE(parsed.has_value(), file);
      BOOST_TEST(parsed->number == number);
      BOOST_TEST(parsed->part == part);
      BOOST_TEST(parsed->size == "1024x768");
    }
  }
  BOOST_TEST(shard_path({"64x48", 7, "p0003"}) == "shards/64x48/p0003-000007.h5");
  for (char const* name : {"12.h5", "0000012.h5", "000012.hdf", "p7-000012.h5", "q0007-000012.h5",
                           "-00012.h5", "000012-1.h5", "99999999999999.h5", "x.h5", ".h5"})
    BOOST_TEST(!parse_shard_path(std::string("shards/64x48/") + name).has_value(), name);
  for (char const* folder : {"backup", "64", "64x", "x48", "064x48", "64x48x3", "-1x48", "0x48"})
    BOOST_TEST(!parse_shard_path(std::string("shards/") + folder + "/000012.h5").has_value(),
               folder);
}

BOOST_AUTO_TEST_CASE(files_of_parts_are_told_apart) {
  ScratchFolder const run;
  for (char const* name :
       {"index.jsonl", "index.p0002.jsonl", "index.p2.jsonl", "index-old.jsonl", "indexp0002.jsonl",
        "index.p0002.jsonl.new", "failed.p0001.jsonl", ".work/lock", ".work/lock.p0003",
        ".work/lock.next", ".work/lock.p0003.new", ".work/partial-s1-r0-0.h5",
        ".work/partial-p0003-s1-r0-0.h5", ".work/partial-p0003-s1-r0-0.h5.journal"})
    write_bytes(run / name, "");
  auto const parts = [](std::vector<PartFile> const& files) {
    std::vector<std::string> found;
    for (PartFile const& file : files) found.push_back(file.part);
    return found;
  };
  using Parts = std::vector<std::string>;
  BOOST_TEST(parts(index_files(run.text())) == (Parts{"", "p0002"}));
  BOOST_TEST(parts(failed_files(run.text())) == (Parts{"p0001"}));
  BOOST_TEST(parts(lock_files(run.text())) == (Parts{"", "p0003"}));
  BOOST_TEST(partial_files(run.text(), "") == (Parts{run / ".work/partial-s1-r0-0.h5"}));
  BOOST_TEST(partial_files(run.text(), "p0003") == (Parts{run / ".work/partial-p0003-s1-r0-0.h5"}));
  BOOST_TEST(partial_files(run.text(), "p0004").empty());
}

// A millionth shard has seven digits: the next one must not take its name.
BOOST_AUTO_TEST_CASE(numbers_go_on_after_six_digits) {
  ScratchFolder const run;
  write_shard(run / ".work/a.h5", make_rows(0, 1));
  (void)publish_shard(run / ".work/a.h5", run.text(), shard_path({"16x8", 1000000, ""}));
  BOOST_TEST(scan_run(run.text(), "").next_shard_number.at("16x8") == 1000001);
}

BOOST_AUTO_TEST_CASE(sessions_are_counted_by_number) {
  ScratchFolder const run;
  for (char const* name : {"0002", "9999", "10000", "x", "3", "0003.old"})
    fs::create_directories(run / "sessions/" + name);
  BOOST_TEST(session_numbers(run.text()) == (std::vector<int>{2, 9999, 10000}));
  BOOST_TEST(session_paths("run", 3).run_toml == "run/sessions/0003/run.toml");
}

BOOST_AUTO_TEST_CASE(a_file_is_replaced_whole_and_no_link_is_followed) {
  ScratchFolder const folder;
  ::umask(0);
  write_bytes(folder / "precious", "precious");
  fs::create_symlink(folder / "precious", folder / "a.new");  // laid out for us
  replace_file(folder / "a", "first\n");
  fs::create_symlink(folder / "precious", folder / "b");
  replace_file(folder / "b", "second\n");
  BOOST_TEST(read_bytes(folder / "precious") == "precious");
  BOOST_TEST(read_bytes(folder / "a") == "first\n");
  BOOST_TEST(read_bytes(folder / "b") == "second\n");
  BOOST_TEST(!fs::is_symlink(folder / "b"));
  struct stat status {};
  BOOST_TEST(::stat((folder / "a").c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0664U);
  { FileReplacement const unfinished(folder / "a"); }
  BOOST_TEST(read_bytes(folder / "a") == "first\n");
  BOOST_TEST(!fs::exists(folder / "a.new"));
  ::umask(022);
}
