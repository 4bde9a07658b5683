#pragma once

#include <mpi.h>

#include <atomic>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>

#include "output/publish.hpp"
#include "queue/work_ledger.hpp"

namespace ditbatch {

/// Answers the replica leaders from a thread on rank 0: hands out records, grants each (id, index)
/// once, gives shard numbers, and alone writes the index and the list of failures.
/// Lives from before the first leader asks until every leader has said goodbye.
class WorkServer {
 public:
  struct Options {
    MPI_Comm comm = MPI_COMM_NULL;  // the queue's own; outlives the server
    int leaders = 1;
    std::string index_path;
    std::string failed_path;
    std::string checkpoint;                        // FailedLine::checkpoint
    std::map<std::string, int> next_shard_number;  // by size folder, "1024x768"
    std::map<std::string, int> schema_version;     // by size folder; the newest where none is
    /// Told, on the server's thread, what made it end before its time: nobody is answered any more.
    std::function<void(std::exception const&)> when_lost;
    std::function<bool()> must_stop;  // asked before records are handed out
    /// Throws where the run folder is another job's by now: asked before a row or a shard is
    /// granted.
    std::function<void()> require_folder;
  };
  WorkServer(WorkLedger ledger, Options options);
  WorkServer(WorkServer const&) = delete;
  WorkServer& operator=(WorkServer const&) = delete;
  /// Waits for the goodbyes; while unwinding it only tells the thread to end.
  ~WorkServer();

  [[nodiscard]] WorkCounts counts() const;
  /// WorkLedger::given_up
  [[nodiscard]] std::string given_up() const;
  /// Waits for the goodbyes and rethrows what went wrong on the thread.
  void finish();

 private:
  void serve() noexcept;
  void answer_all();
  [[nodiscard]] nlohmann::json answer(nlohmann::json const& request);
  /// What a replica makes next; under the mutex.
  [[nodiscard]] nlohmann::json next_for(int replica, double now_s);

  Options options_;
  mutable std::mutex mutex_;  // guards ledger_
  WorkLedger ledger_;
  std::atomic<bool> cancelled_{false};
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace ditbatch
