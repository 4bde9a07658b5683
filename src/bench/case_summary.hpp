#pragma once

#include <optional>

#include "bench/bench_result.hpp"
#include "bench/statistics.hpp"

namespace ditbatch {

/// The numbers of a case that reports show, each for one image of one replica unless it says
/// otherwise: a batch's seconds are divided by its size.
struct CaseSummary {
  SampleSummary image_s;  // over the batches of all replicas
  SampleSummary denoise_s;
  SampleSummary decode_s;
  SampleSummary text_s;
  double images_per_s = 0;               // of all replicas together
  std::optional<double> floor_s;         // of the slowest rank
  std::optional<double> floor_fraction;  // floor / denoise
  double denoise_tflops = 0;             // TFLOP/s of each rank, on average
  double decode_tflops = 0;
  double received_bytes = 0;  // by the rank that receives most
  std::optional<double> waiting_share;
  std::uint64_t peak_memory_bytes = 0;  // of the rank with most
  std::optional<double> clock_mhz;      // medians over ranks
  std::optional<double> power_w;
  std::optional<double> temperature_c;
  std::optional<double> joules_per_image;  // of all ranks of the replica
};

/// Of a case that was measured.
[[nodiscard]] CaseSummary summary_of(CaseResult const& result);

/// Ranks that share one image.
[[nodiscard]] int ranks_per_image(CaseResult const& result);

/// How long a rank's exchanges waited for the others of its branch in the profiled image; nothing
/// without their profiles.
[[nodiscard]] std::optional<double> exchange_waiting_ms(CaseResult const& result,
                                                        RankResult const& rank);

/// Seconds of the case with the fewest ranks an image, for the same work, times its ranks, over
/// the same of this case: 1 where all ranks bring what the first ones do. None without such a case.
[[nodiscard]] std::optional<double> scaling_efficiency(BenchStudy const& study,
                                                       CaseResult const& result);

}  // namespace ditbatch
