#pragma once

#include <boost/test/unit_test.hpp>
#include <string>

#include "core/problem.hpp"
#include "support/scratch_folder.hpp"

namespace ditbatch::test {

/// Checks that some problem names the file and says the text.
inline void check_refused(Problems const& problems, std::string const& file,
                          std::string const& text, std::string const& what) {
  bool found = false;
  std::string all;
  for (Problem const& problem : problems.all()) {
    std::string const line = to_string(problem);
    all += "\n  " + line;
    found = found || (problem.where.file.find(file) != std::string::npos &&
                      line.find(text) != std::string::npos);
  }
  BOOST_TEST(found,
             what << ": no problem with " << file << " that says '" << text << "', but:" << all);
}

}  // namespace ditbatch::test
