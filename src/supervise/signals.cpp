#include "supervise/signals.hpp"

#include <unistd.h>

#include <csignal>

namespace ditbatch {

namespace {

// The only state that a signal handler may touch.
volatile std::sig_atomic_t first_stop = 0;
volatile std::sig_atomic_t is_in_hurry = 0;  // for good
volatile std::sig_atomic_t second_stop = 0;
volatile std::sig_atomic_t hurry_is_new = 0;
volatile std::sig_atomic_t continuation_is_new = 0;
volatile std::sig_atomic_t dump_is_wanted = 0;

extern "C" void end_by_second_stop(int) { ::_exit(128 + second_stop); }

extern "C" void remember_stop(int signal) {
  if (first_stop == 0) first_stop = signal;
  if (signal == SIGUSR1) return;
  hurry_is_new = 1;
  // A terminal that goes away sends HUP more than once.
  if (is_in_hurry != 0 && signal != SIGHUP && second_stop == 0) {
    second_stop = signal;
    // Whatever state the process is in, before its watchdog is there too.
    std::signal(SIGALRM, end_by_second_stop);
    ::alarm(1);
  }
  is_in_hurry = 1;
}

extern "C" void remember_continuation(int) { continuation_is_new = 1; }
extern "C" void remember_dump(int) { dump_is_wanted = 1; }

bool take(std::sig_atomic_t volatile& is_new) {
  if (is_new == 0) return false;
  is_new = 0;
  return true;
}

void catch_unless_ignored(int signal) {
  if (std::signal(signal, remember_stop) == SIG_IGN) std::signal(signal, SIG_IGN);
}

}  // namespace

void install_signal_handlers() {
  std::signal(SIGUSR1, remember_stop);
  std::signal(SIGTERM, remember_stop);
  catch_unless_ignored(SIGINT);
  catch_unless_ignored(SIGHUP);
  std::signal(SIGCONT, remember_continuation);
  std::signal(SIGUSR2, remember_dump);
  std::signal(SIGPIPE, SIG_IGN);
}

int stop_signal() { return first_stop; }
int end_signal() { return second_stop; }
bool take_dump_request() { return take(dump_is_wanted); }
bool take_hurry() { return take(hurry_is_new); }
bool take_continuation() { return take(continuation_is_new); }

std::string signal_name(int signal) {
  switch (signal) {
    case SIGUSR1:
      return "SIGUSR1";
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "signal " + std::to_string(signal);
  }
}

}  // namespace ditbatch
