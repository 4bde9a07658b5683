#pragma once

#include <string>
#include <vector>

#include "comm/mpi_session.hpp"
#include "config/run_config.hpp"

namespace ditbatch {

/// The run configuration as this rank reads it.
[[nodiscard]] RunConfig read_config(std::string const& path,
                                    std::vector<std::string> const& overrides);

/// The run configuration on every rank. Collective: what is wrong with it is found by rank 0 and
/// heard by all; a rank that cannot read what rank 0 could throws Error(io) with its host.
[[nodiscard]] RunConfig load_config(MpiSession const& session, std::string const& path,
                                    std::vector<std::string> const& overrides);

}  // namespace ditbatch
