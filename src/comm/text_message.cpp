#include "comm/text_message.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

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
  using Clock = std::chrono::steady_clock;
  // A process that is suspended with its job waits for nobody meanwhile.
  constexpr Clock::duration longest_step = std::chrono::seconds(1);
  Clock::duration waited{};
  Clock::time_point looked = Clock::now();
  auto pause = std::chrono::microseconds(20);
  while (waited < std::chrono::duration<double>(limit_s)) {
    if (auto received = try_receive_text(comm, source, tag)) return std::move(received->text);
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(1000));
    waited += std::min(Clock::now() - std::exchange(looked, Clock::now()), longest_step);
  }
  return std::nullopt;
}

}  // namespace ditbatch
