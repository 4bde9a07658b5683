// One job on a run folder: a second is refused by name, a dead one's lock is taken over.
#define BOOST_TEST_MODULE run_lock
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "run/run_lock.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;
namespace fs = std::filesystem;

namespace {

std::string read(std::string const& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

// As this process would write it, of another process.
std::string owner_json(std::string const& host, long pid) {
  test::ScratchFolder const run("own-lock");
  RunLock const own(run.path(), "");
  nlohmann::json owner = nlohmann::json::parse(read(run / ".work/lock"));
  owner["host"] = host;
  owner["pid"] = pid;
  owner["nonce"] = 1;
  return owner.dump();
}

// The id of a process that is gone.
long dead_process() {
  pid_t const child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_pipe_in_the_locks_place_is_named) {
  test::ScratchFolder const run("pipe-lock");
  fs::create_directories(run / ".work");
  BOOST_REQUIRE(::mkfifo((run / ".work/lock").c_str(), 0600) == 0);
  BOOST_CHECK_EXCEPTION(RunLock(run.path(), ""), Error, [](Error const& error) {
    return std::string(error.what()).find("lock: is no plain file (") != std::string::npos &&
           error.code() == ExitCode::bad_input;
  });
}

BOOST_AUTO_TEST_CASE(no_link_in_the_locks_place_is_followed) {
  test::ScratchFolder const run("link-lock");
  fs::create_directories(run / ".work");
  std::string const precious = run / "precious";
  std::ofstream(precious) << "precious";
  fs::create_symlink(precious, run / ".work/lock");
  { RunLock const lock(run.path(), ""); }  // taken over, as of a job that gives no sign of life
  BOOST_TEST(read(precious) == "precious");
}

BOOST_AUTO_TEST_CASE(it_is_there_as_long_as_its_owner) {
  test::ScratchFolder const run("lock");
  {
    RunLock const lock(run.path(), "");
    std::string const text = read(run / ".work/lock");
    BOOST_TEST(text.find("\"pid\":" + std::to_string(::getpid())) != std::string::npos);
    BOOST_TEST(text.find("\"host\":\"" + host_name() + "\"") != std::string::npos);
  }
  BOOST_TEST(!fs::exists(run / ".work/lock"));
}

BOOST_AUTO_TEST_CASE(parts_have_locks_of_their_own) {
  test::ScratchFolder const run("lock");
  RunLock const whole(run.path(), "");
  RunLock const part(run.path(), "p0007");
  BOOST_TEST(fs::exists(run / ".work/lock.p0007"));
}

BOOST_AUTO_TEST_CASE(a_second_job_is_refused_by_the_name_of_the_first) {
  test::ScratchFolder const run("lock");
  RunLock const first(run.path(), "");
  try {
    RunLock const second(run.path(), "");
    BOOST_TEST(false, "two jobs hold the lock");
  } catch (Error const& error) {
    std::string const text = error.what();
    BOOST_TEST((error.code() == ExitCode::bad_input));
    BOOST_TEST(text.find("process " + std::to_string(::getpid()) + " on " + host_name()) !=
               std::string::npos);
  }
  BOOST_TEST(fs::exists(run / ".work/lock"));  // and it still is the first one's
}

BOOST_AUTO_TEST_CASE(the_lock_of_a_process_that_is_gone_is_taken_over_at_once) {
  test::ScratchFolder const run("lock");
  test::write_file(run / ".work/lock", owner_json(host_name(), dead_process()));
  RunLock const lock(run.path(), "");
  BOOST_TEST(read(run / ".work/lock").find("\"pid\":" + std::to_string(::getpid())) !=
             std::string::npos);
}

// Numbers are used again.
BOOST_AUTO_TEST_CASE(another_process_with_the_number_of_the_owner_is_not_the_owner) {
  test::ScratchFolder const run("lock");
  test::write_file(run / ".work/lock", owner_json(host_name(), ::getppid()));
  RunLock const lock(run.path(), "");
  BOOST_TEST(!lock.has_unproven_predecessor());
}

// As by Ctrl-Z: its counter stands still, and it will go on.
BOOST_AUTO_TEST_CASE(a_suspended_owner_keeps_its_lock) {
  test::ScratchFolder const run("lock");
  pid_t const owner = ::fork();
  if (owner == 0) {
    RunLock const lock(run.path(), "");
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(owner, &status, WUNTRACED) == owner);
  BOOST_REQUIRE(WIFSTOPPED(status));
  BOOST_CHECK_THROW(RunLock(run.path(), ""), Error);
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  BOOST_CHECK_NO_THROW(RunLock(run.path(), ""));
}

// What a job finds that stood still on another host until a second one took it for dead.
BOOST_AUTO_TEST_CASE(a_job_whose_lock_was_taken_over_is_told_and_leaves_it_alone) {
  test::ScratchFolder const run("lock");
  std::string const other = owner_json("another-host", 17);
  {
    RunLock lock(run.path(), "");
    BOOST_CHECK_NO_THROW(lock.require_own());
    std::promise<std::string> told;
    lock.when_lost([&](std::exception const& error) { told.set_value(error.what()); });
    fs::remove(run / ".work/lock");
    test::write_file(run / ".work/lock", other);
    BOOST_CHECK_THROW(lock.require_own(), Error);
    auto text = told.get_future();
    BOOST_REQUIRE(text.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    BOOST_TEST(text.get().find("process 17 on another-host took it over") != std::string::npos);
  }
  BOOST_TEST(read(run / ".work/lock") == other);
}

BOOST_AUTO_TEST_CASE(a_lock_that_says_something_else_is_taken_over_after_a_while) {
  test::ScratchFolder const run("lock");
  test::write_file(run / ".work/lock", "{\"host\": 7, \"pid\": \"none\"}");
  RunLock const lock(run.path(), "");
  BOOST_TEST(lock.has_unproven_predecessor());
}

// Nobody can ask for a process of another host: only standing still tells.
BOOST_AUTO_TEST_CASE(a_lock_of_another_host_that_stands_still_is_taken_over) {
  test::ScratchFolder const run("lock");
  test::write_file(run / ".work/lock", owner_json("another-host", ::getpid()));
  RunLock const lock(run.path(), "");
  BOOST_TEST(read(run / ".work/lock").find("another-host") == std::string::npos);
  BOOST_TEST(lock.has_unproven_predecessor());
}
