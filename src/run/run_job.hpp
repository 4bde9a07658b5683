#pragma once

#include "comm/mpi_session.hpp"
#include "config/run_config.hpp"
#include "core/exit_code.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

/// `ditbatch run`: makes every record of the manifest that no published shard holds yet.
/// All ranks of the world call it. `begin_ns` is when the process began, on the steady clock.
[[nodiscard]] ExitCode run_job(RunConfig const& config, RunOptions const& options,
                               MpiSession const& session, std::int64_t begin_ns);

}  // namespace ditbatch
