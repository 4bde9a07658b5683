#include "comm/text_message.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "comm/mpi_comm.hpp"

namespace ditbatch {

void send_text(MPI_Comm comm, int rank, int tag, std::string const& text) {
  check_mpi(MPI_Send(text.data(), static_cast<int>(text.size()), MPI_CHAR, rank, tag, comm));
}

std::optional<ReceivedText> try_receive_text(MPI_Comm comm, int source, int tag) {
  // A matched probe: no other thread can take the message between the look and the receive.
  int there = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  check_mpi(MPI_Improbe(source, tag, comm, &there, &message, &status));
  if (there == 0) return std::nullopt;
  int size = 0;
  check_mpi(MPI_Get_count(&status, MPI_CHAR, &size));
  ReceivedText received{status.MPI_SOURCE, std::string(static_cast<std::size_t>(size), '\0')};
  check_mpi(MPI_Mrecv(received.text.data(), size, MPI_CHAR, &message, MPI_STATUS_IGNORE));
  return received;
}

std::optional<std::string> wait_for_text(MPI_Comm comm, int source, int tag, double limit_s) {
  auto const until = std::chrono::steady_clock::now() + std::chrono::duration<double>(limit_s);
  auto pause = std::chrono::microseconds(20);
  while (std::chrono::steady_clock::now() < until) {
    if (auto received = try_receive_text(comm, source, tag)) return std::move(received->text);
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(1000));
  }
  return std::nullopt;
}

}  // namespace ditbatch
