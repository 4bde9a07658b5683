#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace ditbatch {

/// What a thread that writes files is doing, for a watchdog to read: which call of the file system
/// it stands in, and when it last came out of one. The thread writes, any thread reads.
class FileCalls {
 public:
  struct View {
    bool is_busy = false;  // it has something to write
    std::string call;      // "fsync of /runs/1/.work/x.partial"; empty outside of a call
    double still_s = 0;    // since it last entered or left a call
  };
  [[nodiscard]] View view() const;
  /// Whether the thread has something to write; it begins to count from here.
  void set_busy(bool is_busy);
  /// Time in which the whole process did not run counts for nothing.
  void forgive(std::int64_t pause_ns);

 private:
  friend class FileCall;
  void enter(char const* call, int file, std::string const& path);
  void leave();

  mutable std::mutex mutex_;
  bool is_busy_ = false;
  char const* call_ = nullptr;
  int file_ = -1;
  std::string path_;
  std::int64_t moved_ns_ = 0;  // steady clock
};

/// From here to the end of the scope the calling thread's file calls are told to `calls`. By thread
/// and not by parameter: HDF5 stands between the writer and its file.
class ToldFileCalls {
 public:
  explicit ToldFileCalls(FileCalls* calls);
  ToldFileCalls(ToldFileCalls const&) = delete;
  ToldFileCalls& operator=(ToldFileCalls const&) = delete;
  ~ToldFileCalls();

 private:
  FileCalls* before_;
};

/// One call of the file system, from here to the end of the scope. Costs nothing where nobody
/// listens; `call` lives for ever.
class FileCall {
 public:
  FileCall(char const* call, std::string const& path);
  FileCall(char const* call, int file);
  FileCall(FileCall const&) = delete;
  FileCall& operator=(FileCall const&) = delete;
  ~FileCall();

 private:
  FileCalls* calls_;
};

}  // namespace ditbatch
