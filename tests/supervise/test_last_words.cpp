// How a job ended, as its session's folder tells it: of several ends the first failure.
#define BOOST_TEST_MODULE last_words
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

#include "core/host_error.hpp"
#include "supervise/last_words.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;

namespace {

LastWords words_of(ExitCode code, std::string const& cause) {
  LastWords words;
  words.code = code;
  words.cause = cause;
  return words;
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_a_session_nothing_is_written) {
  write_last_words(words_of(ExitCode::io, "no space"));
  BOOST_TEST(!std::filesystem::exists("end.json"));
}

BOOST_AUTO_TEST_CASE(a_limit_on_threads_is_the_machines) {
  std::system_error const refused(EAGAIN, std::generic_category(), "thread");
  LastWords const words = last_words_of(refused, "n2", 3);
  BOOST_TEST((words.code == ExitCode::unhealthy));
  BOOST_TEST(words.host == "n2");
  BOOST_TEST(words.read.find("ulimit -u") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  test::ScratchFolder const session("last-words");
  BOOST_TEST(!read_last_words(session.path()).has_value());
  keep_last_words_in(session.path());
  LastWords said;
  said.code = ExitCode::lost_peer;
  said.cause = "stuck: \"rank 3\"\nand a byte \xFF that is no UTF-8";
  said.host = "n2";
  said.rank = 3;
  said.record = "fox,owl";
  said.read = "dumps";
  said.then = "start again";
  write_last_words(said);
  auto const read = read_last_words(session.path());
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((read->code == ExitCode::lost_peer));
  BOOST_TEST(read->cause.find("stuck: \"rank 3\"\nand a byte ") == 0U);
  BOOST_TEST(read->host == "n2");
  BOOST_TEST((read->rank == 3));
  BOOST_TEST(read->record == "fox,owl");
  BOOST_TEST(read->read == "dumps");
  BOOST_TEST(read->then == "start again");
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(session.path()), {}) == 1);
}

BOOST_AUTO_TEST_CASE(the_first_failure_is_the_cause) {
  test::ScratchFolder const session("first-failure");
  keep_last_words_in(session.path());
  write_last_words(words_of(ExitCode::internal, "the cause"));
  write_last_words(words_of(ExitCode::lost_peer, "what followed from it"));
  BOOST_TEST(read_last_words(session.path())->cause == "the cause");
}

BOOST_AUTO_TEST_CASE(an_end_that_goes_wrong_after_the_work_was_done_is_told) {
  test::ScratchFolder const session("late-failure");
  keep_last_words_in(session.path());
  write_last_words(words_of(ExitCode::complete, "the work is done"));
  write_last_words(words_of(ExitCode::lost_peer, "MPI_Finalize does not return"));
  BOOST_TEST((read_last_words(session.path())->code == ExitCode::lost_peer));
}

BOOST_AUTO_TEST_CASE(a_torn_file_is_no_end) {
  test::ScratchFolder const session("torn");
  test::write_file(session / "end.json", "{\"code\": 7");
  BOOST_TEST(!read_last_words(session.path()).has_value());
  test::write_file(session / "end.json", "{\"code\": \"seventy\"}");
  BOOST_TEST(!read_last_words(session.path()).has_value());
}

BOOST_AUTO_TEST_CASE(an_error_blames_a_host_only_if_it_knows_one) {
  auto const host_of = [](std::exception const& error) {
    return last_words_of(error, "n1", 1).host;
  };
  BOOST_TEST(host_of(Error(ExitCode::unhealthy, "text")) == "n1");
  BOOST_TEST(host_of(HostError(ExitCode::unhealthy, "text", "n2")) == "n2");
  BOOST_TEST(host_of(Error(ExitCode::lost_peer, "text")).empty());
  BOOST_TEST(last_words_of(std::out_of_range("at"), "n1", 1).cause == "rank 1 on n1: at");
  BOOST_TEST((last_words_of(std::out_of_range("at"), "n1", 1).code == ExitCode::internal));
  BOOST_TEST(last_words_of(std::runtime_error("no launcher"), "", 0).cause == "no launcher");
}

// As NCCL's threads have done while the communicator of a stopped rank was aborted.
BOOST_AUTO_TEST_CASE(a_thread_that_crashes_at_the_end_does_not_change_the_exit_code) {
  for (int const crash : {SIGSEGV, SIGABRT}) {
    pid_t const child = ::fork();
    if (child == 0) leave(ExitCode::lost_peer, [crash] { std::raise(crash); });
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(WIFEXITED(status));
    BOOST_TEST(WEXITSTATUS(status) == static_cast<int>(ExitCode::lost_peer));
  }
}
