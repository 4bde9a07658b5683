#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "output/plain_file.hpp"

namespace ditbatch {

/// What is known of a lock's owner; `silent` is one that may come back.
enum class LockOwnerState { alive, gone, silent };
/// The owners of some locks, by their processes or by counters that move while this waits, up to
/// six seconds for all: clocks of two hosts are never compared.
[[nodiscard]] std::vector<LockOwnerState> look_for_owners(std::vector<std::string> const& paths);

/// "Slurm job 7, process 123 on n1", or "an unknown job".
[[nodiscard]] std::string lock_owner_text(std::string const& path);

/// At most one job works on a run folder (or on one part of it). The lock is a file made with an
/// exclusive create that names its owner and carries a counter, which a thread of the owner moves
/// on. A process of this host and PID namespace is asked for by its number and its begin: as long
/// as it is there, suspended too, the lock is its own. Elsewhere the lock is stale when its counter
/// stood still for three intervals of the observer's clock and Slurm does not know its job. Such an
/// owner may come back: it finds another's lock, and must end. Not flock: many parallel file
/// systems have it off or per node.
class RunLock {
 public:
  /// Takes the lock or throws Error(bad_input) that names the owner. `part` is "" or like "p0007".
  RunLock(std::string const& run_dir, std::string const& part);
  RunLock(RunLock const&) = delete;
  RunLock& operator=(RunLock const&) = delete;
  ~RunLock();

  /// Throws Error(io) where the lock is another job's by now: to be asked before anything is
  /// published.
  void require_own() const;
  /// Told once, on a thread of the lock's, when it is found to be another job's; null: nobody is.
  /// When this returns, nobody who was to be told before is told any more.
  void when_lost(std::function<void(std::exception const&)> told);
  /// Whether an owner whose end is not proven had the lock before: it may still write to its files.
  [[nodiscard]] bool has_unproven_predecessor() const { return has_unproven_predecessor_; }

 private:
  void beat();
  void look();
  /// Why the lock is not this job's; empty where it is. Throws Error(io) where that is not known.
  [[nodiscard]] std::string loss() const;

  std::string path_;
  std::string owner_;  // JSON text without the counter
  UniqueDescriptor file_;
  bool has_unproven_predecessor_ = false;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::function<void(std::exception const&)> told_;
  bool end_ = false;
  std::thread thread_;
};

/// The lock of the whole folder, and those of parts whose jobs run or died: for what touches the
/// shards of all of them.
[[nodiscard]] std::vector<std::unique_ptr<RunLock>> lock_all_parts(std::string const& run_dir);

}  // namespace ditbatch
