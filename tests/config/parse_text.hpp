#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "config/load_run_config.hpp"
#include "config/marked_text.hpp"

namespace ditbatch::test {

/// The required values and `line` (which may have marks) in its table.
inline std::string with(std::string const& table, std::string const& line) {
  std::string text;
  for (std::string const name : {"job", "model", table.c_str()}) {
    if (text.find("[" + name + "]") != std::string::npos) continue;
    text += "[" + name + "]\n";
    if (name == "job") text += "manifest = 'm.jsonl'\nrun_dir = 'r'\n";
    if (name == "model") text += "path = 'p'\n";
    if (name == table) text += line + "\n";
  }
  return text;
}

/// The least that a config holds.
inline std::string const least = with("job", "");

inline RunConfig parse(std::string const& text, Problems& problems,
                       std::vector<std::string> const& overrides = {}) {
  return parse_run_config("/data/jobs/a.toml", text, overrides, problems);
}

inline RunConfig parse_good(std::string const& text,
                            std::vector<std::string> const& overrides = {}) {
  Problems problems;
  RunConfig config = parse(text, problems, overrides);
  BOOST_TEST_REQUIRE(problems.empty(), test::listed(problems));
  return config;
}

}  // namespace ditbatch::test
