#include "supervise/signals.hpp"

#include <csignal>

namespace ditbatch {

namespace {

// The only state that a signal handler may touch.
volatile std::sig_atomic_t received_stop = 0;
volatile std::sig_atomic_t dump_is_wanted = 0;
extern "C" void remember_stop(int signal) { received_stop = signal; }
extern "C" void remember_dump(int) { dump_is_wanted = 1; }

}  // namespace

void install_signal_handlers() {
  std::signal(SIGUSR1, remember_stop);
  std::signal(SIGTERM, remember_stop);
  std::signal(SIGUSR2, remember_dump);
}

int stop_signal() { return received_stop; }

bool take_dump_request() {
  if (dump_is_wanted == 0) return false;
  dump_is_wanted = 0;
  return true;
}

}  // namespace ditbatch
