#pragma once

#include <string>

#include "bench/chrome_trace.hpp"

namespace ditbatch {

/// The spans of a session (trace/rank-*.jsonl) as a timeline: one process a rank, named with its
/// host and device where session.json tells, one row for each of its threads. Ranks of several
/// hosts stand as their hosts' clocks agree. Throws Error(io) where there is no trace.
[[nodiscard]] Timeline session_timeline(std::string const& session_folder);

}  // namespace ditbatch
