#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "families/load_report.hpp"
#include "profile/gpu_use.hpp"
#include "queue/work_ledger.hpp"
#include "supervise/phase_clock.hpp"

namespace ditbatch {

/// What one rank did with its wall time.
struct RankTotals {
  int rank = 0;
  std::string host;
  double wall_s = 0;
  std::array<double, phase_count> phase_s{};  // adds up to wall_s
  double writer_wait_s = 0;  // main thread held up by a full writer queue, within hand_over
  GpuUse gpu;                // in the steady state, where kernels were recorded
  std::uint64_t constant_images = 0;  // of those it wrote, whose bytes are all the same
  std::uint64_t cut_images = 0;       // whose prompts had more tokens than an encoder reads
};
[[nodiscard]] std::string to_message(RankTotals const& totals);
[[nodiscard]] RankTotals rank_totals_from_message(std::string const& message);

struct JobSummary {
  std::string name;
  std::string layout;
  WorkCounts counts;
  std::size_t already_done = 0;
  std::size_t beyond_limit = 0;
  std::size_t taken_out = 0;         // of the run folder by prune, when the job began
  std::vector<std::string> notices;  // told at the start
  std::string stop_reason;           // empty: the work was done
  std::string given_up;              // why the job was hopeless; empty: it was not
  std::vector<RankTotals> ranks;
  LoadReport load;
  double first_image_s = 0;  // of rank 0's replica, since the process began; 0: it made none
};

/// Images that a later job has to make: those of this job that are neither made nor failed, and
/// those beyond its limit.
[[nodiscard]] std::size_t images_left(JobSummary const& summary);

/// summary.json.
[[nodiscard]] std::string summary_json(JobSummary const& summary);
/// The same for people: counts, then seconds by phase (mean over ranks, slowest rank), which add
/// up to the wall time beside their sum; what held up the main thread, and how busy the least busy
/// GPU was.
[[nodiscard]] std::string summary_text(JobSummary const& summary);

}  // namespace ditbatch
