// What the files of a run folder say of a job that is not there to be asked.
#define BOOST_TEST_MODULE read_status
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/error.hpp"
#include "output/publish.hpp"
#include "run/progress.hpp"
#include "run/read_status.hpp"
#include "run/run_lock.hpp"
#include "supervise/last_words.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;
using nlohmann::json;
using test::write_file;

namespace {

WorkCounts counts_of(std::size_t total, std::size_t done, std::size_t appended,
                     std::size_t failed) {
  WorkCounts counts;
  counts.total = total;
  counts.done = done;
  counts.appended = appended;
  counts.failed = failed;
  return counts;
}

Beat beat_of(int rank, double in_phase_s) {
  Beat beat;
  beat.rank = rank;
  beat.at = MeshCoordinate{rank};
  beat.host = "n" + std::to_string(rank);
  beat.device = "cpu";
  beat.phase = "denoise";
  beat.record_id = "fox";
  beat.in_phase_s = in_phase_s;
  return beat;
}

// The second session of a job of 10 images: 6 were there, it made 2 and did not come further.
void write_session(test::ScratchFolder const& run) {
  std::filesystem::create_directories(run / "sessions/0001");
  std::string const session = run / "sessions/0002";
  write_file(session + "/session.json",
             json{{"layout", "replica2.cfg1.ring1.ulysses1"}, {"hardware", "a CPU"}}.dump());
  write_file(session + "/metrics.prom", metrics_text(counts_of(4, 1, 1, 0), {6, 0}, 12));
  json ranks = json::array();
  for (Beat const& beat : {beat_of(0, 2), beat_of(1, 30)})
    ranks.push_back(json::parse(to_message(beat)));
  write_file(session + "/ranks.json", json{{"unix_ns", 0}, {"ranks", ranks}}.dump());
}

std::string first_line(std::string const& text) { return text.substr(0, text.find('\n')); }

bool has(std::string const& text, std::string const& part) {
  bool const found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE(part + " is not in\n" + text);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_an_error) {
  BOOST_CHECK_THROW((void)read_status("/no/such/folder"), Error);
}

BOOST_AUTO_TEST_CASE(nothing_ran_yet) {
  test::ScratchFolder const run("status");
  BOOST_TEST(state_of(read_status(run.path())) == "not started");
}

BOOST_AUTO_TEST_CASE(a_job_that_was_killed_left_no_word) {
  test::ScratchFolder const run("status");
  write_session(run);
  RunStatus const status = read_status(run.path());
  BOOST_TEST(state_of(status) == "died");
  BOOST_TEST(status.session == 2);
  BOOST_TEST((status.wanted == 10U));
  BOOST_TEST(status.made_in_session == 2U);
  BOOST_TEST(status.ranks.front().rank == 1);  // longest in its phase
  std::string const text = status_text(status, ShowRanks::yes);
  BOOST_TEST(first_line(text) == "died: 0 of 10 images published, 0 failed");
  BOOST_TEST(has(text, "session 2: 2 images in 12 s, replica2.cfg1.ring1.ulysses1 on a CPU"));
  BOOST_TEST(has(text, "      1  replica    1  n1 "));
  BOOST_TEST(json::parse(status_json(status)).at("end").is_null());
}

BOOST_AUTO_TEST_CASE(a_job_that_failed_says_why_and_what_to_do) {
  test::ScratchFolder const run("status");
  write_session(run);
  keep_last_words_in(run / "sessions/0002");
  LastWords words;
  words.code = ExitCode::lost_peer;
  words.cause = "no sign of life for 3.2 s, last seen: rank 1";
  words.host = "n1";
  words.rank = 1;
  words.read = "dumps";
  words.then = "start the same command again";
  pid_t const child = ::fork();
  if (child == 0) {
    RunLock const left_behind(run.path(), "");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  write_last_words(words);
  RunStatus const status = read_status(run.path());
  BOOST_TEST(state_of(status) == "failed");
  std::string const text = status_text(status, ShowRanks::no);
  BOOST_TEST(has(text, "exit code 76: no sign of life for 3.2 s, last seen: rank 1\n"));
  BOOST_TEST(has(text, "then: start the same command again\n"));
  json const end = json::parse(status_json(status)).at("end");
  BOOST_TEST(end.at("code") == 76);
  BOOST_TEST(end.at("host") == "n1");
  BOOST_TEST(end.at("rank") == 1);
}

BOOST_AUTO_TEST_CASE(a_lock_that_moves_is_a_running_job) {
  test::ScratchFolder const run("status");
  write_session(run);
  {
    RunLock const lock(run.path(), "");
    RunStatus const status = read_status(run.path());
    BOOST_TEST(state_of(status) == "running");
    BOOST_REQUIRE_EQUAL(status.owners.size(), 1U);
    BOOST_TEST(status.owners.front().pid == ::getpid());
    BOOST_TEST(has(status_text(status, ShowRanks::no), "job: process "));
  }
  BOOST_TEST(state_of(read_status(run.path())) == "died");
}

// As this host's clock may be minutes ahead of that of the job's host, or behind it.
BOOST_AUTO_TEST_CASE(a_job_of_another_host_lives_as_long_as_its_counter_moves) {
  test::ScratchFolder const run("status");
  write_session(run);
  std::string const lock = run / ".work/lock";
  auto const beat = [&](int counter) {
    write_file(lock, json{{"host", "elsewhere"}, {"pid", 7}, {"counter", counter}}.dump());
    auto const now = std::filesystem::file_time_type::clock::now();
    std::filesystem::last_write_time(lock, now - std::chrono::seconds(60));
  };
  beat(1);
  {
    std::future<RunStatus> status =
        std::async(std::launch::async, [&] { return read_status(run.path()); });
    std::this_thread::sleep_for(std::chrono::seconds(1));
    beat(2);
    BOOST_TEST(state_of(status.get()) == "running");
  }
  std::filesystem::last_write_time(lock, std::filesystem::file_time_type::clock::now());
  BOOST_TEST(state_of(read_status(run.path())) == "died");
}

BOOST_AUTO_TEST_CASE(a_session_that_came_to_its_end_says_what_is_left) {
  test::ScratchFolder const run("status");
  write_session(run);
  json summary{{"stop_reason", "the file STOP"},
               {"images_made", 2},
               {"images_already_done", 6},
               {"images_failed", 0},
               {"images_left", 2},
               {"wall_s", 20.5}};
  write_file(run / "sessions/0002/summary.json", summary.dump());
  RunStatus const stopped = read_status(run.path());
  BOOST_TEST((stopped.wanted == 10U));
  BOOST_TEST(first_line(status_text(stopped, ShowRanks::no)).find(" left (the file STOP): ") !=
             std::string::npos);
  for (std::uint16_t i = 0; i < 3; ++i)
    append_failed_line(run / "failed.jsonl", {"fox", i, 2, "poison"});
  summary["images_constant"] = 2;
  write_file(run / "sessions/0002/summary.json", summary.dump());
  BOOST_TEST(
      has(status_text(read_status(run.path()), ShowRanks::no), "\n2 images of this session"));
  summary["images_made"] = 0;
  summary["images_already_done"] = 0;
  summary["images_failed"] = 3;
  summary["images_left"] = 0;
  write_file(run / "sessions/0002/summary.json", summary.dump());
  BOOST_TEST(state_of(read_status(run.path())) == "complete but for 3 failed");
}

// Of another program, of a later version, or cut off by a crash.
BOOST_AUTO_TEST_CASE(what_a_file_tells_otherwise_is_left_out_and_named) {
  test::ScratchFolder const run("status");
  write_session(run);
  std::string const session = run / "sessions/0002/";
  write_file(session + "session.json", R"({"layout": 7})");
  write_file(session + "ranks.json", R"({"ranks": [{"rank": "first"}]})");
  write_file(session + "summary.json", R"({"images_made": 2, "stop_rea)");
  write_file(session + "end.json", R"([1])");
  write_file(run / ".work/lock", R"({"host": [], "pid": "none"})");
  RunStatus const status = read_status(run.path());
  BOOST_TEST(status.left_out.size() == 4U);
  std::string const text = status_text(status, ShowRanks::yes);
  for (char const* file : {"session.json: is left out (", "ranks.json: is left out (",
                           "summary.json: is left out (", "lock: is left out ("})
    BOOST_TEST(has(text, file));
  BOOST_TEST(json::parse(status_json(status)).at("state") == "died");
}

BOOST_AUTO_TEST_CASE(nobody_waits_for_a_pipe) {
  test::ScratchFolder const run("pipes");
  write_session(run);
  std::string const session = run / "sessions/0002/";
  std::filesystem::create_directory(run / ".work");
  for (std::string const& file : {session + "ranks.json", session + "metrics.prom",
                                  session + "end.json", run / ".work/lock"}) {
    std::filesystem::remove(file);
    BOOST_REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  }
  RunStatus const status = read_status(run.path());
  BOOST_TEST(has(status_text(status, ShowRanks::yes), "ranks.json: is left out ("));
  BOOST_TEST(has(status_text(status, ShowRanks::yes), "lock: is left out ("));
}

BOOST_AUTO_TEST_CASE(states_follow_from_counts) {
  RunStatus status;
  status.session = 1;
  status.has_summary = true;
  BOOST_TEST(state_of(status) == "ended");  // one part of an array: nobody counted the whole
  status.wanted = 10;
  status.published = 8;
  BOOST_TEST(state_of(status) == "stopped with 2 left");
  status.failed = 2;
  BOOST_TEST(state_of(status) == "complete but for 2 failed");
  status.published = 10;
  status.failed = 0;
  BOOST_TEST(state_of(status) == "complete");
  status.owners.push_back({"", "n1", 7, "", true});
  BOOST_TEST(state_of(status) == "running");
  status.owners.front().is_alive = false;
  BOOST_TEST(state_of(status) == "complete");
  status.has_summary = false;
  status.end.emplace();
  status.end->code = ExitCode::lost_peer;
  BOOST_TEST(state_of(status) == "failed");
  status.end->code = ExitCode::stopped;  // told in advance, and killed before its end
  status.published = 7;
  BOOST_TEST(state_of(status) == "stopped with 3 left");
  status.owners.front().is_alive = true;  // another job has the lock now
  BOOST_TEST(state_of(status) == "running");
}

BOOST_AUTO_TEST_CASE(progress_is_counted_from_the_whole_job) {
  BOOST_TEST(progress_text(counts_of(58, 5, 1, 1), {6, 0}, 12) ==
             "12/64 images, 0.50 images/s, ETA 1 min 42 s, 1 failed");
  BOOST_TEST(progress_text(counts_of(10, 10, 0, 0), {}, 4) == "10/10 images, 2.50 images/s");
  BOOST_TEST(progress_text(counts_of(10, 0, 0, 0), {}, 4) ==
             "0/10 images, 0.00 images/s, ETA unknown");
  BOOST_TEST(progress_text(counts_of(20000, 1, 0, 0), {}, 1) ==
             "1/20000 images, 1.00 images/s, ETA 5 h 33 min");
}
