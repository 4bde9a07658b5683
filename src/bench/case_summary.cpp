#include "bench/case_summary.hpp"

#include <algorithm>

namespace ditbatch {

namespace {

template <class Value>
std::vector<double> of_leaders(CaseResult const& result, Value const& value) {
  std::vector<double> values;
  for (RankResult const& rank : result.ranks) {
    if (!rank.is_leader) continue;
    for (BatchTime const& batch : rank.batches) values.push_back(value(batch) / result.work.batch);
  }
  return values;
}

template <class Value>
std::optional<double> median_over_ranks(CaseResult const& result, Value const& value) {
  std::vector<double> values;
  for (RankResult const& rank : result.ranks) {
    if (rank.power) values.push_back(value(*rank.power));
  }
  return values.empty() ? std::nullopt : std::optional(median_of(values));
}

bool is_same_work(CaseResult const& a, CaseResult const& b) {
  return a.work.width_px == b.work.width_px && a.work.height_px == b.work.height_px &&
         a.work.batch == b.work.batch && a.work.steps == b.work.steps &&
         a.layout.uses_true_cfg() == b.layout.uses_true_cfg();
}

double median_image_s(CaseResult const& result) {
  return median_of(of_leaders(result, [](BatchTime const& batch) { return batch.total_s(); }));
}

}  // namespace

int ranks_per_image(CaseResult const& result) { return result.layout.mesh.ranks_per_replica(); }

CaseSummary summary_of(CaseResult const& result) {
  CaseSummary summary;
  double const batch = result.work.batch;
  double const ranks = ranks_per_image(result);
  summary.image_s = summarise(of_leaders(result, [](BatchTime const& b) { return b.total_s(); }));
  summary.denoise_s = summarise(of_leaders(result, [](BatchTime const& b) { return b.denoise_s; }));
  summary.decode_s = summarise(of_leaders(result, [](BatchTime const& b) { return b.decode_s; }));

  std::vector<double> text_s;
  double images = 0, wall_s = 0, waiting_s = 0, all_wall_s = 0, energy_j = 0;
  bool all_know_waiting = true;
  for (RankResult const& rank : result.ranks) {
    if (rank.is_leader) {
      images += static_cast<double>(rank.batches.size()) * batch;
      for (double const seconds : rank.text_s) text_s.push_back(seconds / batch);
    }
    wall_s = std::max(wall_s, rank.wall_s);
    all_wall_s += rank.wall_s;
    all_know_waiting = all_know_waiting && rank.waiting_s.has_value();
    waiting_s += rank.waiting_s.value_or(0);
    if (!rank.floor_s.empty())
      summary.floor_s = std::max(summary.floor_s.value_or(0), median_of(rank.floor_s) / batch);
    summary.received_bytes =
        std::max(summary.received_bytes, static_cast<double>(rank.bytes.total()));
    summary.peak_memory_bytes = std::max(summary.peak_memory_bytes, rank.peak_memory_bytes);
    if (rank.power) energy_j += rank.power->energy_j;
  }
  summary.text_s = summarise(text_s);
  summary.images_per_s = images / wall_s;
  if (summary.floor_s) summary.floor_fraction = *summary.floor_s / summary.denoise_s.median;
  summary.denoise_tflops = result.step_flop.total() * static_cast<double>(result.work.steps) /
                           summary.denoise_s.median / ranks / 1e12;
  summary.decode_tflops = result.decode_flop / summary.decode_s.median / ranks / 1e12;
  if (all_know_waiting) summary.waiting_share = waiting_s / all_wall_s;
  summary.clock_mhz =
      median_over_ranks(result, [](PowerReading const& reading) { return reading.clock_mhz; });
  summary.power_w =
      median_over_ranks(result, [](PowerReading const& reading) { return reading.power_w; });
  summary.temperature_c =
      median_over_ranks(result, [](PowerReading const& reading) { return reading.temperature_c; });
  if (energy_j > 0) summary.joules_per_image = energy_j / images;
  return summary;
}

std::optional<double> exchange_waiting_ms(CaseResult const& result, RankResult const& rank) {
  if (!rank.profile) return std::nullopt;
  int const branch_size = result.layout.mesh.ring * result.layout.mesh.ulysses;
  std::vector<std::vector<double> const*> branch{&rank.profile->image.exchange_us};
  for (RankResult const& other : result.ranks) {
    bool const is_of_branch = other.rank / branch_size == rank.rank / branch_size;
    if (other.rank != rank.rank && is_of_branch && other.profile)
      branch.push_back(&other.profile->image.exchange_us);
  }
  return waiting_ms(branch);
}

std::optional<double> scaling_efficiency(BenchStudy const& study, CaseResult const& result) {
  CaseResult const* fewest = nullptr;
  for (CaseResult const& other : study.cases) {
    if (!other.refusal.empty() || !is_same_work(other, result)) continue;
    if (fewest == nullptr || ranks_per_image(other) < ranks_per_image(*fewest)) fewest = &other;
  }
  if (fewest == nullptr || !result.refusal.empty()) return std::nullopt;
  return median_image_s(*fewest) * ranks_per_image(*fewest) /
         (median_image_s(result) * ranks_per_image(result));
}

}  // namespace ditbatch
