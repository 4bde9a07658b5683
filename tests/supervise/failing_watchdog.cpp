// Two ranks; on rank 0 the watchdog's thread meets an error that nobody expects there. Leaves its
// last words in the folder that it is given, and never comes to its own end.
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "comm/mpi_session.hpp"
#include "supervise/last_words.hpp"
#include "supervise/signals.hpp"
#include "supervise/watchdog.hpp"

int main(int argc, char** argv) {
  using namespace ditbatch;
  install_signal_handlers();
  MpiSession session(argc, argv, {});
  keep_last_words_in(argv[1]);
  Trace trace;
  Activity activity;
  auto const fail = [](int /*signal*/) { throw std::out_of_range("nobody expects this here"); };
  Watchdog const watchdog(
      {{}, session.comm(), session.rank(), session.size(), session.host(), fail}, activity, trace);
  if (session.rank() == 0) std::raise(SIGUSR1);
  std::this_thread::sleep_for(std::chrono::seconds(30));
  return 0;
}
