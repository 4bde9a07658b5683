#pragma once

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch::test {

/// A text in which "@@" marks each place where a problem is due; the marks themselves are taken
/// out.
struct MarkedText {
  explicit MarkedText(std::string const& marked) {
    std::size_t i = 0;
    while (i < marked.size()) {
      if (marked.compare(i, 2, "@@") == 0) {
        std::size_t const line_begin =
            text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
        std::size_t line = 1;
        for (char const c : text) line += c == '\n' ? 1 : 0;
        places.push_back({"", line, text.size() - line_begin + 1});
        i += 2;
      } else {
        text += marked[i++];
      }
    }
  }
  std::string text;
  std::vector<Position> places;
};

/// What a problem must say: its field, and words of its text.
struct Due {
  std::string field;
  std::string words;
};

inline std::string listed(Problems const& problems) {
  std::string all;
  for (Problem const& problem : problems.all()) all += to_string(problem) + "\n";
  return all;
}

/// The problems stand at the marks, in their order, and say what is due; there are no others.
inline void check_problems(MarkedText const& marked, std::vector<Due> const& due,
                           Problems const& problems) {
  BOOST_TEST_CONTEXT("in\n" << marked.text << "\nfound\n" << listed(problems)) {
    BOOST_TEST_REQUIRE(problems.all().size() == due.size());
    BOOST_TEST_REQUIRE(marked.places.size() == due.size());
    for (std::size_t i = 0; i < due.size(); ++i) {
      Problem const& problem = problems.all()[i];
      BOOST_TEST(problem.where.line == marked.places[i].line);
      BOOST_TEST(problem.where.column == marked.places[i].column);
      BOOST_TEST(problem.field == due[i].field);
      BOOST_TEST(problem.text.find(due[i].words) != std::string::npos, due[i].words);
    }
  }
}

/// A report must stay readable whatever was in the file: one line a problem, UTF-8, no control
/// characters.
inline void check_printable(Problems const& problems) {
  for (Problem const& problem : problems.all()) {
    std::string const line = to_string(problem);
    for (char const c : line) {
      BOOST_TEST_REQUIRE((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F), line);
    }
    BOOST_TEST_REQUIRE(line.size() < 2000);
  }
}

inline std::string read_text(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  BOOST_TEST_REQUIRE(file.is_open(), path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ditbatch::test
