#include "output/broken_writes.hpp"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <stdexcept>

namespace ditbatch::test {

namespace {

struct Plan {
  int calls_left;
  Fault fault;
};
std::optional<Plan> plan;

// The fault that this call meets.
std::optional<Fault> fault_here() {
  if (!plan) return std::nullopt;
  if (plan->calls_left > 0) {
    plan->calls_left -= 1;
    return std::nullopt;
  }
  return plan->fault;
}

long fall_to(Fault fault) {
  if (fault != Fault::full_disk) {
    ::kill(::getpid(), SIGKILL);
    std::abort();
  }
  errno = ENOSPC;
  return -1;
}

long call(long number, long first, long second) {
  if (auto const fault = fault_here()) return fall_to(*fault);
  return ::syscall(number, first, second);
}

ssize_t put(int file, void const* data, std::size_t size, off_t at) {
  if (auto const fault = fault_here()) {
    if (*fault == Fault::kill_within) ::syscall(SYS_pwrite64, file, data, size / 2, at);
    return fall_to(*fault);
  }
  return ::syscall(SYS_pwrite64, file, data, size, at);
}

}  // namespace

void break_write(int number, Fault fault) { plan = Plan{number, fault}; }

void mend_writes() { plan.reset(); }

bool survives(std::function<void()> const& work) {
  pid_t const child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  bool const is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (!is_killed && status != 0) throw std::runtime_error("the child failed");
  return !is_killed;
}

}  // namespace ditbatch::test

// These stand before the C library's, for HDF5 too.
extern "C" {
ssize_t pwrite(int file, void const* data, size_t size, off_t at) {
  return ditbatch::test::put(file, data, size, at);
}
ssize_t pwrite64(int file, void const* data, size_t size, off64_t at) {
  return ditbatch::test::put(file, data, size, at);
}
int ftruncate(int file, off_t size) noexcept {
  return static_cast<int>(ditbatch::test::call(SYS_ftruncate, file, size));
}
int ftruncate64(int file, off64_t size) noexcept {
  return static_cast<int>(ditbatch::test::call(SYS_ftruncate, file, size));
}
int fsync(int file) { return static_cast<int>(ditbatch::test::call(SYS_fsync, file, 0)); }
int unlink(char const* path) noexcept {
  return static_cast<int>(ditbatch::test::call(SYS_unlink, reinterpret_cast<long>(path), 0));
}
}
