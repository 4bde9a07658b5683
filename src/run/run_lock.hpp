#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ditbatch {

/// At most one job works on a run folder (or on one part of it). The lock is a file made with an
/// exclusive create that names its owner and carries a counter, which a thread of the owner moves
/// on. It is stale when its process is gone from this host, or its counter stood still for three
/// intervals of the observer's clock. Not flock: many parallel file systems have it off or per
/// node.
class RunLock {
 public:
  /// Takes the lock or throws Error(bad_input) that names the owner. `part` is "" or like "p0007".
  RunLock(std::string const& run_dir, std::string const& part);
  RunLock(RunLock const&) = delete;
  RunLock& operator=(RunLock const&) = delete;
  ~RunLock();

 private:
  void beat();

  std::string path_;
  std::string owner_;  // JSON text without the counter
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

/// The lock of the whole folder, and those of parts whose jobs run or died: for what touches the
/// shards of all of them.
[[nodiscard]] std::vector<std::unique_ptr<RunLock>> lock_all_parts(std::string const& run_dir);

}  // namespace ditbatch
