// The faults that tests plant in the program, in place of supervise/no_faults.cpp. DITBATCH_FAULT
// is action:phase[:rank=R][:record=ID], where phase may be "init" (before MPI starts) or "fsync"
// (of a partial shard: each is slow or the first hangs), and action is
//   stop  the process stops as by SIGSTOP
//   hang  its main thread sleeps for ever
//   kill  it dies as by SIGKILL
//   slow  it goes on after a second
//   throw the record's error, on all ranks or one
// DITBATCH_FINISHED is a file that gets a line "unix_ns record,record" when a rank has made images.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include <chrono>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "supervise/fault_point.hpp"

namespace ditbatch {

namespace {

std::vector<std::string> parts_of(std::string const& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(part);
  return parts;
}

bool is_here(std::vector<std::string> const& parts, std::string const& phase,
             std::string const& record_ids) {
  if (parts[1] != phase) return false;
  char const* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  for (std::size_t i = 2; i < parts.size(); ++i) {
    std::string const name = parts[i].substr(0, parts[i].find('='));
    std::string const value = parts[i].substr(parts[i].find('=') + 1);
    if (name == "rank" && value != (rank != nullptr ? rank : "0")) return false;
    if (name == "record" && ("," + record_ids + ",").find("," + value + ",") == std::string::npos)
      return false;
  }
  return true;
}

void tell_finished(std::string const& record_ids) {
  char const* path = std::getenv("DITBATCH_FINISHED");
  if (path == nullptr) return;
  long long const now_ns =
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  std::string const line = std::to_string(now_ns) + " " + record_ids + "\n";
  int const file = ::open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (file < 0 || ::write(file, line.data(), line.size()) < 0) std::abort();
  ::close(file);
}

}  // namespace

void fault_point(char const* phase, std::string const& record_ids) {
  if (std::string("hand_over") == phase) tell_finished(record_ids);
  char const* fault = std::getenv("DITBATCH_FAULT");
  if (fault == nullptr) return;
  std::vector<std::string> const parts = parts_of(fault);
  if (parts.size() < 2 || !is_here(parts, phase, record_ids)) return;
  if (parts[0] == "stop") {
    std::this_thread::sleep_for(std::chrono::milliseconds(600));  // until its phase is known
    ::raise(SIGSTOP);
  }
  if (parts[0] == "kill") ::raise(SIGKILL);
  if (parts[0] == "hang") std::this_thread::sleep_for(std::chrono::hours(1));
  if (parts[0] == "slow") std::this_thread::sleep_for(std::chrono::seconds(1));
  if (parts[0] == "throw") throw std::runtime_error("a planted error");
}

}  // namespace ditbatch

// In place of the C library's: calls of the writer's thread that are slow or never return.
extern "C" int fsync(int file) {
  char path[4096] = "";
  std::string const link = "/proc/self/fd/" + std::to_string(file);
  bool const is_partial = ::readlink(link.c_str(), path, sizeof path - 1) > 0 &&
                          std::string(path).find("/partial-") != std::string::npos;
  if (is_partial) ditbatch::fault_point("fsync", {});
  return static_cast<int>(::syscall(SYS_fsync, file));
}

// In place of the C library's. Open MPI yields while it waits; under Linux 6.18 a process that
// yields is behind all others that want the core, and a rank of these tests would get none for
// seconds while another job starts: it would be named as stuck.
extern "C" int sched_yield() noexcept {
  timespec const pause{0, 20'000};
  return ::nanosleep(&pause, nullptr);
}
