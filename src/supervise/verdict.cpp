#include "supervise/verdict.hpp"

#include <optional>

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

std::string verdict::tell_bytes(MpiSession const& session,
                                std::function<std::string()> const& function, Activity* activity) {
  auto const broadcast = [&](std::string const& text) {
    std::optional<HostCall> call;
    if (activity != nullptr) call.emplace(*activity, "world verdict");
    return broadcast_string(session.comm(), text, 0);  // comm: all ranks
  };
  if (session.rank() != 0) {
    std::string const told = broadcast("");
    if (told[0] == 'k') return told.substr(1);
    throw HeardError(static_cast<ExitCode>(static_cast<unsigned char>(told[1])), told.substr(2));
  }
  std::string result;
  try {
    result = function();
  } catch (std::exception const& error) {
    (void)broadcast(std::string("e") + static_cast<char>(exit_code_for(error)) + error.what());
    throw;
  }
  (void)broadcast("k" + result);
  return result;
}

bool is_first_ranks_error(std::exception const& error) {
  return dynamic_cast<HeardError const*>(&error) != nullptr;
}

}  // namespace ditbatch
