#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace ditbatch {

/// Ends this process with ExitCode::lost_peer where MPI does not start in time: a rank that never
/// comes to MPI_Init holds all others in it, and no message can tell yet. Each rank that waits
/// ends by itself and says who it is; those that say nothing are missing. From construction to
/// destruction, without MPI.
class StartWatch {
 public:
  struct Options {
    double limit_s = 0;
    std::string work_dir;  // of the run folder: where end.json goes; empty: nowhere
  };
  explicit StartWatch(Options options);
  StartWatch(StartWatch const&) = delete;
  StartWatch& operator=(StartWatch const&) = delete;
  ~StartWatch();

 private:
  void watch();

  Options options_;
  std::string place_;  // read before MPI starts, which changes the environment
  int rank_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool has_started_ = false;
  std::thread thread_;
};

}  // namespace ditbatch
