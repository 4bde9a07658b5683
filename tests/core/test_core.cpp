#define BOOST_TEST_MODULE core
#include <boost/test/unit_test.hpp>

#include "core/problem.hpp"
#include "core/say.hpp"
#include "core/sha256.hpp"
#include "core/unique_handle.hpp"
#include "core/utf8.hpp"

using namespace ditbatch;

BOOST_AUTO_TEST_CASE(sha256_matches_the_published_vectors) {  // FIPS 180-4, appendix B
  BOOST_TEST(to_hex(sha256("abc")) ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(to_hex(sha256("")) ==
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  BOOST_TEST(to_hex(Sha256().update("a").update("bc").finish()) == to_hex(sha256("abc")));
}

BOOST_AUTO_TEST_CASE(a_problem_prints_place_field_and_text) {
  BOOST_TEST(to_string(Problem{{"a.toml", 3, 7}, "job.seed", "not a number (x)"}) ==
             "a.toml:3:7: job.seed: not a number (x)");
  BOOST_TEST(to_string(Problem{{"a.toml"}, "", "missing"}) == "a.toml: missing");
}

BOOST_AUTO_TEST_CASE(one_cause_at_many_places_is_told_in_a_few_lines) {
  std::vector<Problem> problems;
  for (std::size_t i = 1; i <= 150; ++i)
    problems.push_back({{"w", 0}, "tensor." + std::to_string(i), "missing"});
  problems.push_back({{"w", 0}, "other", "too long"});
  BadInput const error(problems);
  BOOST_TEST(std::string(error.what()) ==
             "w: tensor.1: missing\nw: tensor.2: missing\nw: tensor.3: missing\n"
             "w: 147 more of these (check --all lists them)\nw: other: too long");
  BOOST_TEST(error.problems().size() == 151U);
}

BOOST_AUTO_TEST_CASE(position_counts_lines_and_bytes_from_one) {
  Position const at = position_of("f", "ab\ncd\n", 4);
  BOOST_TEST(at.line == 2U);
  BOOST_TEST(at.column == 2U);
}

BOOST_AUTO_TEST_CASE(the_nearest_name_is_near) {
  BOOST_TEST(nearest_name("ulyses", {"ulysses", "ring"}) == "ulysses");
  BOOST_TEST(nearest_name("zzzzzz", {"ulysses", "ring"}).empty());
}

BOOST_AUTO_TEST_CASE(a_terminal_obeys_nothing_that_is_printed) {
  BOOST_TEST(without_controls("plain\ttext \xC3\xA9\n") == "plain\ttext \xC3\xA9\n");
  BOOST_TEST(without_controls("\x1b[31mred\r\x7f") == "\\u001b[31mred\\u000d\\u007f");
  BOOST_TEST(without_controls("\xC2\x9b"
                              "2J") == "\\u009b2J");  // C1 as UTF-8
  BOOST_TEST(without_controls("\x9b"
                              "2J") == "\\u009b2J");  // and as a byte
  BOOST_TEST(without_controls(std::string("a\0b", 3)) == "a\\u0000b");
}

BOOST_AUTO_TEST_CASE(utf8_refuses_what_unicode_refuses) {
  BOOST_TEST(find_bad_utf8("h\xC3\xA9 \xF0\x9F\x98\x80") == std::string_view::npos);
  BOOST_TEST(find_bad_utf8("\xC0\x80") == 0U);          // overlong
  BOOST_TEST(find_bad_utf8("a\xED\xA0\x80") == 1U);     // surrogate
  BOOST_TEST(find_bad_utf8("\xF4\x90\x80\x80") == 0U);  // beyond U+10FFFF
  BOOST_TEST(find_bad_utf8("ab\xE2\x82") == 2U);        // truncated
}

namespace {
int closed = 0;
struct CountingTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle) noexcept { ++closed; }
};
}  // namespace

BOOST_AUTO_TEST_CASE(a_handle_is_closed_once) {
  closed = 0;
  {
    UniqueHandle<CountingTraits> first(4);
    UniqueHandle<CountingTraits> second(std::move(first));
    second = UniqueHandle<CountingTraits>(5);
    BOOST_TEST(closed == 1);
  }
  BOOST_TEST(closed == 2);
}
