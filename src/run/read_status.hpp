#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervise/last_words.hpp"
#include "supervise/rank_watch.hpp"

namespace ditbatch {

/// A job that holds, or held, the lock of the run folder or of one of its parts.
struct LockOwner {
  std::string part;  // "" or like "p0007"
  std::string host;
  std::int64_t pid = 0;
  std::string slurm_job;
  bool is_alive = false;
};

/// What the files of a run folder say, of a running job or of a dead one. Nothing is locked or
/// changed.
struct RunStatus {
  std::uint64_t published = 0;  // images in published shards
  std::uint64_t failed = 0;     // listed in failed.jsonl
  std::uint64_t taken_out = 0;  // by prune: not made again
  std::optional<std::uint64_t>
      wanted;  // images of the manifest, as the newest session counted them
  std::uint64_t made_in_session = 0;
  std::uint64_t constant_in_session = 0;  // of these; known at the session's end
  double session_s = 0;
  int session = 0;  // the newest; 0: none
  std::string layout;
  std::string hardware;
  std::uint64_t taken_out_before = 0;  // when the newest session began
  bool has_summary = false;            // the newest session came to its end
  std::optional<LastWords> end;        // how it ended, if it could tell
  std::string stop_reason;
  std::vector<LockOwner> owners;
  std::vector<Beat> ranks;            // as they last told; those longest in their phase first
  double ranks_age_s = 0;             // since then
  std::vector<std::string> left_out;  // files that tell nothing that can be read, each with why
};
[[nodiscard]] RunStatus read_status(std::string const& run_dir);

/// "running", "failed" (and told why), "died" (without a word), "ended" (one part of an array),
/// "complete", "complete but for 3 failed", "stopped with 12 left", "not started"
[[nodiscard]] std::string state_of(RunStatus const& status);

enum class ShowRanks { no, yes };
[[nodiscard]] std::string status_text(RunStatus const& status, ShowRanks show_ranks);
[[nodiscard]] std::string status_json(RunStatus const& status);

}  // namespace ditbatch
