#include "core/file_calls.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/trace.hpp"

namespace ditbatch {

namespace {

thread_local FileCalls* told = nullptr;

// Asks the kernel alone: no file system can hold this up.
std::string path_of(int file) {
  std::array<char, 4096> path{};
  std::string const link = "/proc/self/fd/" + std::to_string(file);
  ssize_t const size = ::readlink(link.c_str(), path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : "a file";
}

}  // namespace

FileCalls::View FileCalls::view() const {
  std::scoped_lock const lock(mutex_);
  View view;
  view.is_busy = is_busy_;
  if (call_ != nullptr)
    view.call = std::string(call_) + " of " + (file_ >= 0 ? path_of(file_) : path_);
  view.still_s = static_cast<double>(now_ns() - moved_ns_) * 1e-9;
  return view;
}

void FileCalls::set_busy(bool is_busy) {
  std::scoped_lock const lock(mutex_);
  is_busy_ = is_busy;
  moved_ns_ = now_ns();
}

void FileCalls::forgive(std::int64_t pause_ns) {
  std::scoped_lock const lock(mutex_);
  moved_ns_ = std::min(now_ns(), moved_ns_ + pause_ns);
}

void FileCalls::enter(char const* call, int file, std::string const& path) {
  std::scoped_lock const lock(mutex_);
  call_ = call;
  file_ = file;
  path_ = path;
  moved_ns_ = now_ns();
}

void FileCalls::leave() {
  std::scoped_lock const lock(mutex_);
  call_ = nullptr;
  moved_ns_ = now_ns();
}

ToldFileCalls::ToldFileCalls(FileCalls* calls) : before_(told) { told = calls; }

ToldFileCalls::~ToldFileCalls() { told = before_; }

FileCall::FileCall(char const* call, std::string const& path) : calls_(told) {
  if (calls_ != nullptr) calls_->enter(call, -1, path);
}

FileCall::FileCall(char const* call, int file) : calls_(told) {
  if (calls_ != nullptr) calls_->enter(call, file, {});
}

FileCall::~FileCall() {
  if (calls_ != nullptr) calls_->leave();
}

}  // namespace ditbatch
