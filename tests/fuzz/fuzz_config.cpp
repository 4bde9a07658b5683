// Each input is a config file, with overrides behind byte FF; what is accepted can be written and
// read again.
#include "config/load_run_config.hpp"
#include "fuzz/input_parts.hpp"
#include "fuzz/parse_input.hpp"

void ditbatch::test::parse_input(std::string const& bytes) {
  std::vector<std::string> parts = input_parts(bytes);
  std::string const text = parts.front();
  parts.erase(parts.begin());
  Problems problems;
  RunConfig const config = parse_run_config("/x/a.toml", text, parts, problems);
  problems.throw_if_any();
  std::string const written = to_toml(config);
  Problems again;
  ensure(to_toml(parse_run_config("/x/a.toml", written, {}, again)) == written && again.empty(),
         "a config that was accepted is read as it was written");
}
