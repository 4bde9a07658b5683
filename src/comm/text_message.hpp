#pragma once

#include <mpi.h>

#include <optional>
#include <string>

namespace ditbatch {

/// Sends a text. Blocks until MPI has taken it.
void send_text(MPI_Comm comm, int rank, int tag, std::string const& text);

struct ReceivedText {
  int source = MPI_PROC_NULL;
  std::string text;
};
/// Takes a message if one is there. Never blocks.
[[nodiscard]] std::optional<ReceivedText> try_receive_text(MPI_Comm comm, int source, int tag);

/// Waits for a message by polling with short sleeps: a blocking receive would burn a core, and
/// under MPI_THREAD_MULTIPLE it slows the collectives of the other threads. None after `limit_s`.
[[nodiscard]] std::optional<std::string> wait_for_text(MPI_Comm comm, int source, int tag,
                                                       double limit_s);

}  // namespace ditbatch
