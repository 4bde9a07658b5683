#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/bench_plan.hpp"
#include "bench/kernel_profile.hpp"
#include "bench/power_meter.hpp"
#include "families/exchange_bytes.hpp"
#include "families/step_work.hpp"
#include "supervise/rank_place.hpp"

namespace ditbatch {

/// Seconds of one batch, from prompt embeddings to the bytes of its images on the host.
struct BatchTime {
  double noise_s = 0;    // drawing it, on the host
  double denoise_s = 0;  // all steps
  double decode_s = 0;
  [[nodiscard]] double total_s() const { return noise_s + denoise_s + decode_s; }
};

/// The kernels of one image more, and those of the floor.
struct RankProfile {
  KernelProfile image;
  KernelProfile floor;  // its classes are the ceilings of the image's
};

/// What one rank measured of a case.
struct RankResult {
  int rank = 0;  // of the world
  int replica = 0;
  bool is_leader = false;  // of its replica: its images arrive there
  std::vector<BatchTime> batches;
  std::vector<double> text_s;   // encoding the prompts of a batch
  double wall_s = 0;            // of all batches together
  std::vector<double> floor_s;  // of a batch; empty where the rank has no part in the steps
  ExchangeBytes bytes;          // for one image, by the layout
  // On CPU ranks, where each exchange is a call: for one image, and for all batches together.
  std::optional<ExchangeBytes> counted;
  std::optional<double> waiting_s;  // of wall_s, in collectives
  std::uint64_t peak_memory_bytes = 0;
  std::optional<PowerReading> power;
  std::optional<RankProfile> profile;
};
[[nodiscard]] std::string to_message(RankResult const& result);
[[nodiscard]] RankResult rank_result_from_message(std::string const& message);

/// A case as rank 0 knows it in the end.
struct CaseResult {
  PlannedLayout layout;  // without its cases
  BenchWork work;
  std::string refusal;  // empty: it was measured
  StepFlop step_flop;   // of a step of one image, over all ranks and branches
  double decode_flop = 0;
  std::vector<RankResult> ranks;
};

struct BenchMachine {
  std::string hardware;
  std::vector<RankPlace> ranks;
};

struct BenchStudy {
  std::string name;
  std::string checkpoint;
  std::string config_toml;
  int repetitions = 0;
  BenchMachine machine;
  std::vector<CaseResult> cases;
};

}  // namespace ditbatch
