#pragma once

#include <functional>
#include <string>

#include "comm/mpi_session.hpp"

namespace ditbatch {

/// Does something on rank 0 and tells all ranks what came of it: its text everywhere, or its error
/// thrown everywhere, so that no rank waits in a collective for one that has given up. Collective
/// over the world.
[[nodiscard]] std::string on_first_rank(MpiSession const& session,
                                        std::function<std::string()> const& function);

/// An error that rank 0 prints; the other ranks throw it to end alike, and stay silent.
[[nodiscard]] bool is_first_ranks_error(std::exception const& error);

}  // namespace ditbatch
