#include "supervise/start_watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "comm/launcher.hpp"
#include "output/run_paths.hpp"
#include "supervise/last_words.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

StartWatch::StartWatch(Options options) : options_(std::move(options)) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  LaunchedAs const launched = launched_as();
  rank_ = launched.rank;
  place_ = "host " + std::string(host.data()) + ", " + launched.text;
  // Of an earlier start: the first cause that stands there is kept.
  std::error_code ignored;
  if (!options_.work_dir.empty() && rank_ == 0)
    fs::remove(paths_in_session(options_.work_dir).end, ignored);
  thread_ = std::thread([this] { watch(); });
}

StartWatch::~StartWatch() {
  {
    std::scoped_lock const lock(mutex_);
    has_started_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StartWatch::watch() {
  {
    std::unique_lock lock(mutex_);
    // Bit by bit: the time for which the process is suspended does not count.
    constexpr double bit_s = 0.1;
    for (double left_s = options_.limit_s; left_s > 0; left_s -= bit_s) {
      auto const wait = std::chrono::duration<double>(std::min(left_s, bit_s));
      if (changed_.wait_for(lock, wait, [this] { return has_started_; })) return;
    }
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f s", options_.limit_s);
  LastWords words;
  words.code = ExitCode::lost_peer;
  words.cause = "MPI did not start within " + std::string(seconds) + " on rank " +
                std::to_string(rank_) + " (" + place_ +
                "): it waits for a rank that is stuck, or ended, before MPI_Init";
  words.rank = rank_;
  words.read = "these lines of the other ranks: a rank that has none did not come to MPI_Init";
  words.then = "look at the node of that rank, and start the same command again";
  if (!options_.work_dir.empty()) keep_last_words_in(options_.work_dir);
  say_last_words(words);
  leave(words.code, {});
}

}  // namespace ditbatch
