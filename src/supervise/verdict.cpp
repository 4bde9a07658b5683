#include "supervise/verdict.hpp"

#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/exit_code_for.hpp"

namespace ditbatch {

namespace {

// On the ranks that only hear of an error.
class HeardError : public Error {
 public:
  using Error::Error;
};

}  // namespace

std::string on_first_rank(MpiSession const& session, std::function<std::string()> const& function) {
  if (session.rank() != 0) {
    std::string const told = broadcast_string(session.comm(), "", 0);
    if (told[0] == 'k') return told.substr(1);
    throw HeardError(static_cast<ExitCode>(static_cast<unsigned char>(told[1])), told.substr(2));
  }
  try {
    std::string const result = function();
    return broadcast_string(session.comm(), "k" + result, 0).substr(1);
  } catch (std::exception const& error) {
    (void)broadcast_string(
        session.comm(), std::string("e") + static_cast<char>(exit_code_for(error)) + error.what(),
        0);
    throw;
  }
}

bool is_first_ranks_error(std::exception const& error) {
  return dynamic_cast<HeardError const*>(&error) != nullptr;
}

}  // namespace ditbatch
