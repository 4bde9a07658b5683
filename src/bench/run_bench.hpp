#pragma once

#include <cstdint>
#include <string>

#include "comm/mpi_session.hpp"
#include "config/run_config.hpp"
#include "core/exit_code.hpp"

namespace ditbatch {

struct BenchOptions {
  std::string out_dir;  // "": bench-YYYYMMDD-HHMMSS
  enum class Kernels { leave, record } kernels = Kernels::leave;
};

/// A scaling study of the ranks it gets: every layout of [bench] with every size and batch size,
/// each with a pipeline and communicators of its own, and the floor beside it. Writes bench.json
/// and bench.csv after every case and prints the table at the end. A rank that is stuck is named,
/// and the study ends. Collective over the session. begin_ns: when the process began, by the steady
/// clock.
[[nodiscard]] ExitCode run_bench(RunConfig const& config, BenchOptions const& options,
                                 MpiSession const& session, std::int64_t begin_ns);

}  // namespace ditbatch
