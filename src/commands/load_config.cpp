#include "commands/load_config.hpp"

#include "config/load_run_config.hpp"
#include "core/error.hpp"
#include "supervise/verdict.hpp"

namespace ditbatch {

RunConfig read_config(std::string const& path, std::vector<std::string> const& overrides) {
  Problems problems;
  RunConfig config = load_run_config(path, overrides, problems);
  problems.throw_if_any();
  return config;
}

RunConfig load_config(MpiSession const& session, std::string const& path,
                      std::vector<std::string> const& overrides) {
  RunConfig config;
  auto const load = [&] { config = read_config(path, overrides); };
  // comm: all ranks
  on_first_rank(session, load);
  if (session.rank() == 0) return config;
  try {
    load();
  } catch (BadInput const& error) {
    throw Error(ExitCode::io, session.host() + " reads another configuration than rank 0 (" +
                                  error.what() + ") use a file that all nodes see");
  }
  return config;
}

}  // namespace ditbatch
