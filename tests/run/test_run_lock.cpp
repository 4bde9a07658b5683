// One job on a run folder: a second is refused by name, a dead one's lock is taken over.
#define BOOST_TEST_MODULE run_lock
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
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

std::string owner_json(std::string const& host, long pid) {
  return "{\"host\":\"" + host + "\",\"pid\":" + std::to_string(pid) +
         ",\"job\":\"17\",\"nonce\":1,\"counter\":3}";
}

// The id of a process that is gone.
long dead_process() {
  pid_t const child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

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

// Waits three intervals for a sign of life, which comes.
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

// Nobody can ask for a process of another host: only standing still tells.
BOOST_AUTO_TEST_CASE(a_lock_of_another_host_that_stands_still_is_taken_over) {
  test::ScratchFolder const run("lock");
  test::write_file(run / ".work/lock", owner_json("another-host", ::getpid()));
  RunLock const lock(run.path(), "");
  BOOST_TEST(read(run / ".work/lock").find("another-host") == std::string::npos);
}
