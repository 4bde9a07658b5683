#pragma once

#include <string>
#include <vector>

#include "bench/chrome_trace.hpp"
#include "bench/kernel_profile.hpp"
#include "core/trace.hpp"

namespace ditbatch {

/// One rank's recorded image as rows of a timeline, as a message to rank 0: its phases, and each
/// stream's kernels. Times of the host's calendar, so that several hosts' ranks stand together.
[[nodiscard]] std::string timeline_message(int rank, std::string const& rank_name,
                                           std::vector<KernelRecord> const& kernels,
                                           std::vector<Span> const& phases);

/// What the ranks sent, together; empty messages are of ranks without kernels.
[[nodiscard]] Timeline timeline_from_messages(std::vector<std::string> const& messages);

}  // namespace ditbatch
