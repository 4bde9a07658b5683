#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "profile/kernel_class.hpp"
#include "profile/kernel_record.hpp"

namespace ditbatch {

/// Times of the steady clock.
struct TimeSpan {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

/// What one of several spans covers that none before it does.
struct CoveredPiece {
  std::size_t index = 0;  // of the span
  TimeSpan time;          // never empty
};

/// The union of `spans`, which are in the order of their beginnings, within the window: each moment
/// that any of them covers is in one piece, and the pieces follow each other in time.
[[nodiscard]] std::vector<CoveredPiece> covered_pieces(std::vector<TimeSpan> const& spans,
                                                       TimeSpan window);

/// A stretch in which the GPU was busy but for short gaps.
struct BusyStretch {
  TimeSpan time;
  std::int64_t busy_ns = 0;  // without the gaps
};

struct GpuUse {
  double busy_s = 0;                                 // with at least one kernel or copy
  double steady_s = 0;                               // of so many; 0: was not recorded
  std::array<double, kernel_class_count> class_s{};  // kernels that overlap count in full
  [[nodiscard]] double fraction() const { return steady_s > 0 ? busy_s / steady_s : 0; }
};

/// Reduces what a recorder delivers, as it comes: a job of days has billions of kernels, but only
/// some ten stretches an image.
class GpuUseMeter {
 public:
  /// Gaps shorter than this do not end a stretch.
  static constexpr std::int64_t bridged_ns = 50'000;

  /// How late a kernel may be delivered: CUPTI has buffers of several kinds of records, which fill
  /// at different speeds. What comes later counts only where it is later than what was counted.
  static constexpr std::int64_t patience_ns = 30'000'000'000;

  /// One delivery, of any times.
  void add(std::vector<KernelRecord> const& records);

  struct Result {
    GpuUse use;
    std::vector<BusyStretch> stretches;
  };
  /// What lies within the window, after the last delivery. `class_s` has all that was delivered.
  [[nodiscard]] Result finish(TimeSpan window);

 private:
  void settle(std::int64_t until_ns);

  std::vector<TimeSpan> waiting_;  // for what may still begin before them
  std::int64_t newest_ns_ = 0;     // the last beginning of all deliveries
  std::int64_t settled_ns_ = 0;    // nothing before it waits
  std::vector<BusyStretch> stretches_;
  std::array<std::int64_t, kernel_class_count> class_ns_{};
  std::unordered_map<std::string, KernelClass> known_;  // by name
};

}  // namespace ditbatch
