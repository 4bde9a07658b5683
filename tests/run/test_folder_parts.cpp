// How many jobs share a run folder: one number, written down, and no job of another division beside
// a living one.
#define BOOST_TEST_MODULE folder_parts
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "core/error.hpp"
#include "output/run_paths.hpp"
#include "run/folder_parts.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;

namespace {

struct Folder {
  test::ScratchFolder scratch{"parts"};
  std::string manifest = scratch / "manifest.jsonl";
  Folder() { test::write_file(manifest, "one\ntwo\n"); }
  [[nodiscard]] std::string run_dir() const { return scratch.path(); }
};

RunOptions part_of(int index, int count, ArrayTasks tasks = {}) {
  RunOptions options;
  options.part = ManifestPart{index, count, tasks};
  return options;
}

// A job that holds its lock and has agreed.
struct Job {
  RunLock lock;
  Job(Folder const& folder, RunOptions const& options)
      : lock(folder.run_dir(), options.part ? part_name(options.part->index) : "") {
    agree_on_parts(folder.run_dir(), options, folder.manifest);
  }
};

bool is_refused(Folder const& folder, RunOptions const& options) {
  try {
    Job const job(folder, options);
    return false;
  } catch (Error const& error) {
    BOOST_TEST((error.code() == ExitCode::bad_input), error.what());
    return true;
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(parts_of_one_number_share_a_folder_and_others_are_refused) {
  Folder const folder;
  Job const first(folder, part_of(0, 3));
  Job const second(folder, part_of(1, 3));
  BOOST_TEST(is_refused(folder, part_of(1, 2)));
  BOOST_TEST(is_refused(folder, part_of(3, 4)));
  BOOST_TEST(is_refused(folder, RunOptions{}));
  BOOST_TEST(read_folder_parts(folder.run_dir())->count == 3);
  BOOST_CHECK_NO_THROW(Job(folder, part_of(2, 3)));
}

BOOST_AUTO_TEST_CASE(a_part_is_refused_beside_a_job_on_everything) {
  Folder const folder;
  Job const whole(folder, RunOptions{});
  BOOST_TEST(is_refused(folder, part_of(1, 2)));
  BOOST_TEST(read_folder_parts(folder.run_dir())->count == 1);
}

BOOST_AUTO_TEST_CASE(the_number_changes_when_no_job_lives) {
  Folder const folder;
  { Job const part(folder, part_of(0, 3)); }
  { Job const whole(folder, RunOptions{}); }
  BOOST_TEST(read_folder_parts(folder.run_dir())->count == 1);
  Job const part(folder, part_of(4, 5, {10, 2}));
  FolderParts const now = *read_folder_parts(folder.run_dir());
  BOOST_TEST((now.count == 5 && now.tasks.first == 10 && now.tasks.step == 2));
}

BOOST_AUTO_TEST_CASE(tasks_submitted_again_keep_their_parts) {
  FolderParts known;
  known.count = 10;
  known.tasks = {1, 1};
  // --array=3,7 and --array=4,8 of 1-10
  for (int const task : {3, 7}) {
    ManifestPart const part = part_of_task(task, {2, 3, 7, 1}, known);
    BOOST_TEST((part.index == task - 1 && part.count == 10));
  }
  BOOST_TEST(part_of_task(8, {2, 4, 8, 4}, known).index == 7);
  known.count = 4;
  known.tasks = {10, 5};
  BOOST_TEST(part_of_task(20, {1, 20, 20, 1}, known).index == 2);
  for (int const task : {9, 12, 30}) {
    BOOST_CHECK_EXCEPTION((void)part_of_task(task, {1, task, task, 1}, known), Error,
                          [](Error const& error) { return error.code() == ExitCode::usage; });
  }
}

BOOST_AUTO_TEST_CASE(a_first_array_counts_itself_if_it_is_whole) {
  BOOST_TEST(part_of_task(7, {4, 1, 10, 3}, std::nullopt).index == 2);
  BOOST_TEST(part_of_task(5, {6, 0, 5, 1}, std::nullopt).count == 6);
  BOOST_CHECK_THROW((void)part_of_task(7, {2, 3, 7, 1}, std::nullopt), Error);
}

BOOST_AUTO_TEST_CASE(every_part_sees_an_edited_manifest_but_not_lines_added_to_it) {
  Folder const folder;
  { Job const first(folder, part_of(0, 2)); }
  test::write_file(folder.manifest, "one\ntwo\nthree\n");
  { Job const second(folder, part_of(1, 2)); }
  test::write_file(folder.manifest, "one\ntwo\n");  // the new line is gone again
  BOOST_TEST(is_refused(folder, part_of(0, 2)));
  test::write_file(folder.manifest, "one\n2\nthree\n");
  BOOST_TEST(is_refused(folder, part_of(1, 2)));
  RunOptions replacing = part_of(1, 2);
  replacing.changed = RunOptions::Changed::replace;
  BOOST_CHECK_NO_THROW(Job(folder, replacing));
  BOOST_CHECK_NO_THROW(Job(folder, part_of(0, 2)));
}
