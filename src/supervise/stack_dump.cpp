#include "supervise/stack_dump.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

namespace ditbatch {

namespace {

// Written by the handler on the thread that is asked, read by the asking one.
constexpr int most_frames = 64;
std::array<void*, most_frames> frames;
std::atomic<int> frame_count{-1};  // -1: no answer yet

int ask_signal() { return SIGRTMIN + 5; }

extern "C" void answer_with_frames(int) { frame_count = backtrace(frames.data(), most_frames); }

std::string frame_text(void* address) {
  Dl_info info{};
  char place[64];
  std::snprintf(place, sizeof place, "%p", address);
  if (dladdr(address, &info) == 0) return place;
  std::string const module =
      info.dli_fname != nullptr ? std::filesystem::path(info.dli_fname).filename().string() : "?";
  if (info.dli_sname == nullptr) {
    std::snprintf(
        place, sizeof place, "+0x%zx",
        static_cast<std::size_t>(static_cast<char*>(address) - static_cast<char*>(info.dli_fbase)));
    return module + place;
  }
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> const plain(
      abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), &std::free);
  return module + " " + (status == 0 ? plain.get() : info.dli_sname);
}

std::string thread_name(std::string const& task) {
  std::ifstream file(task + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

std::string stacks_of_all_threads() {
  (void)backtrace(frames.data(), 1);  // loads what it needs: a handler must not
  struct sigaction action {};
  action.sa_handler = answer_with_frames;
  action.sa_flags = SA_RESTART;
  ::sigaction(ask_signal(), &action, nullptr);

  std::string text;
  std::error_code ignored;
  for (auto const& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    int const thread = std::atoi(task.path().filename().c_str());
    frame_count = -1;
    text += "thread " + std::to_string(thread) + " (" + thread_name(task.path()) + ")\n";
    if (::syscall(SYS_tgkill, ::getpid(), thread, ask_signal()) != 0) continue;
    for (int wait = 0; wait < 200 && frame_count < 0; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    int const count = frame_count;
    if (count < 0) text += "  no answer (it stands in the kernel)\n";
    // The first two frames are the handler and the kernel's trampoline.
    for (int i = 2; i < count; ++i)
      text += "  " + frame_text(frames[static_cast<std::size_t>(i)]) + "\n";
  }
  return text;
}

std::string spans_text(std::vector<Span> const& spans) {
  std::string text;
  std::int64_t const now = now_ns();
  for (Span const& span : spans) {
    char line[96];
    std::snprintf(line, sizeof line, "  %10.3f s ago, %9.3f s, thread %u, ",
                  static_cast<double>(now - span.end_ns) * 1e-9,
                  static_cast<double>(span.end_ns - span.begin_ns) * 1e-9, span.thread);
    text += line + span.name + (span.record_id.empty() ? "" : " of " + span.record_id) + "\n";
  }
  return text;
}

}  // namespace ditbatch
