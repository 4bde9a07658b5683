// What rank 0 finds, every rank hears: a value, a text, nothing, or an error.
#define BOOST_TEST_MODULE verdict
#define BOOST_TEST_NO_MAIN
#include <boost/test/unit_test.hpp>
#include <string>

#include "comm/mpi_session.hpp"
#include "core/error.hpp"
#include "supervise/verdict.hpp"

using namespace ditbatch;

namespace {

MpiSession const* the_session = nullptr;

struct Found {
  std::size_t images = 0;
  int session = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_rank_hears_what_rank_0_found) {
  MpiSession const& session = *the_session;
  int calls = 0;
  auto const [images, number] = on_first_rank(session, [&] {
    calls += 1;
    return Found{std::size_t{1} << 40U, -7};
  });
  BOOST_TEST(images == std::size_t{1} << 40U);
  BOOST_TEST(number == -7);
  BOOST_TEST(calls == (session.rank() == 0 ? 1 : 0));
  BOOST_TEST(on_first_rank(session, [] { return 0.1; }) == 0.1);
  BOOST_TEST((on_first_rank(session, [] { return ExitCode::stopped; }) == ExitCode::stopped));
  std::string const text("with \0 in it", 12);
  BOOST_TEST(on_first_rank(session, [&] { return text; }) == text);
  BOOST_TEST(on_first_rank(session, [] { return std::string(); }).empty());
  on_first_rank(session, [&] { calls += 1; });
  BOOST_TEST(calls == (session.rank() == 0 ? 2 : 0));
}

BOOST_AUTO_TEST_CASE(every_rank_ends_by_the_error_of_rank_0_which_alone_prints_it) {
  MpiSession const& session = *the_session;
  try {
    on_first_rank(session, []() -> int { throw Error(ExitCode::io, "no space"); });
    BOOST_TEST(false, "no error came");
  } catch (Error const& error) {
    BOOST_TEST((error.code() == ExitCode::io));
    BOOST_TEST(error.what() == std::string("no space"));
    BOOST_TEST(is_first_ranks_error(error) == (session.rank() != 0));
  }
}

BOOST_AUTO_TEST_CASE(who_waits_for_rank_0_stands_in_a_call) {
  MpiSession const& session = *the_session;
  Activity activity;
  on_first_rank(
      session, [&] { BOOST_TEST(activity.view().call.empty()); }, &activity);
  BOOST_TEST(calls_in(activity.view().calls, "world") == 1U);
  BOOST_TEST(activity.view().call.empty());
}

int main(int argc, char** argv) {
  MpiSession const session(argc, argv, {});
  the_session = &session;
  return boost::unit_test::unit_test_main([] { return true; }, argc, argv);
}
