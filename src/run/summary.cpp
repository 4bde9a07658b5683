#include "run/summary.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

json phases_json(std::array<double, phase_count> const& phase_s) {
  json phases = json::object();
  for (std::size_t i = 0; i < phase_count; ++i) phases[phase_names[i]] = phase_s[i];
  return phases;
}

json classes_json(GpuUse const& gpu) {
  json classes = json::object();
  for (std::size_t i = 0; i < kernel_class_count; ++i)
    if (gpu.class_s[i] > 0) classes[kernel_class_names[i]] = gpu.class_s[i];
  return classes;
}

// Of those whose kernels were recorded; null: of none.
RankTotals const* least_busy_rank(std::vector<RankTotals> const& ranks) {
  RankTotals const* least = nullptr;
  for (RankTotals const& rank : ranks) {
    if (rank.gpu.steady_s <= 0) continue;
    if (least == nullptr || rank.gpu.fraction() < least->gpu.fraction()) least = &rank;
  }
  return least;
}

double job_wall_s(JobSummary const& summary) {
  double wall_s = 0;
  for (RankTotals const& rank : summary.ranks) wall_s = std::max(wall_s, rank.wall_s);
  return wall_s;
}

std::uint64_t sum_of_ranks(JobSummary const& summary, std::uint64_t RankTotals::*images) {
  std::uint64_t sum = 0;
  for (RankTotals const& rank : summary.ranks) sum += rank.*images;
  return sum;
}

// A line of the table: what one value of each rank is in the mean, and where it is largest.
struct Spread {
  double mean = 0;
  double largest = 0;
  int rank = 0;
};

template <class Value>
Spread spread_of(std::vector<RankTotals> const& ranks, Value const& value) {
  Spread spread{0, value(ranks.front()), ranks.front().rank};
  for (RankTotals const& rank : ranks) {
    spread.mean += value(rank) / static_cast<double>(ranks.size());
    if (value(rank) > spread.largest) spread = {spread.mean, value(rank), rank.rank};
  }
  return spread;
}

std::string phases_text(std::vector<RankTotals> const& ranks) {
  std::string text = "  seconds by phase        mean    largest  (rank)\n";
  char line[160];
  auto const add = [&](char const* name, Spread const& spread, char const* remark) {
    std::snprintf(line, sizeof line, "  %-18s %9.2f  %9.2f  (%d)%s\n", name, spread.mean,
                  spread.largest, spread.rank, remark);
    text += line;
  };
  double sum_of_means = 0;
  for (std::size_t phase = 0; phase < phase_count; ++phase) {
    Spread const spread =
        spread_of(ranks, [phase](RankTotals const& rank) { return rank.phase_s[phase]; });
    sum_of_means += spread.mean;
    add(phase_names[phase], spread, "");
  }
  double const wall_s = spread_of(ranks, [](RankTotals const& rank) { return rank.wall_s; }).mean;
  std::snprintf(line, sizeof line, "  %-18s %9.2f  of %.2f\n", "sum", sum_of_means, wall_s);
  text += line;
  add("writer wait", spread_of(ranks, [](RankTotals const& rank) { return rank.writer_wait_s; }),
      " within hand_over");
  return text;
}

}  // namespace

std::string to_message(RankTotals const& totals) {
  return to_text(json{{"rank", totals.rank},
                      {"host", totals.host},
                      {"wall_s", totals.wall_s},
                      {"phase_s", totals.phase_s},
                      {"writer_wait_s", totals.writer_wait_s},
                      {"gpu_busy_s", totals.gpu.busy_s},
                      {"gpu_steady_s", totals.gpu.steady_s},
                      {"gpu_class_s", totals.gpu.class_s},
                      {"constant_images", totals.constant_images},
                      {"cut_images", totals.cut_images}});
}

RankTotals rank_totals_from_message(std::string const& message) {
  json const parsed = json_of(message);
  return {parsed.at("rank"),
          parsed.at("host"),
          parsed.at("wall_s"),
          parsed.at("phase_s"),
          parsed.at("writer_wait_s"),
          {parsed.at("gpu_busy_s"), parsed.at("gpu_steady_s"), parsed.at("gpu_class_s")},
          parsed.at("constant_images"),
          parsed.at("cut_images")};
}

std::size_t images_left(JobSummary const& summary) {
  return summary.counts.total + summary.beyond_limit - summary.counts.done - summary.counts.failed;
}

std::string summary_json(JobSummary const& summary) {
  json ranks = json::array();
  for (RankTotals const& rank : summary.ranks) {
    ranks.push_back({{"rank", rank.rank},
                     {"host", rank.host},
                     {"wall_s", rank.wall_s},
                     {"phase_s", phases_json(rank.phase_s)},
                     {"writer_wait_s", rank.writer_wait_s},
                     {"gpu_busy_s", rank.gpu.busy_s},
                     {"gpu_steady_s", rank.gpu.steady_s},
                     {"gpu_class_s", classes_json(rank.gpu)}});
  }
  RankTotals const* const least_busy = least_busy_rank(summary.ranks);
  double const wall_s = job_wall_s(summary);
  auto const made = static_cast<double>(summary.counts.done);
  return to_text(
             json{{"name", summary.name},
                  {"layout", summary.layout},
                  {"images_made", summary.counts.done},
                  {"images_already_done", summary.already_done},
                  {"images_constant", sum_of_ranks(summary, &RankTotals::constant_images)},
                  {"images_with_cut_prompts", sum_of_ranks(summary, &RankTotals::cut_images)},
                  {"images_failed", summary.counts.failed},
                  {"images_left", images_left(summary)},
                  {"images_taken_out", summary.taken_out},
                  {"notices", summary.notices},
                  {"stop_reason", summary.stop_reason},
                  {"given_up", summary.given_up},
                  {"wall_s", wall_s},
                  {"images_per_s", wall_s > 0 ? made / wall_s : 0.0},
                  {"weights_bytes", summary.load.weights_bytes},
                  {"load_s", summary.load.load_s},
                  {"gb_per_s", summary.load.gb_per_s()},
                  {"first_image_s", summary.first_image_s},
                  {"gpu_busy_fraction", least_busy != nullptr ? least_busy->gpu.fraction() : 0.0},
                  {"ranks", ranks}},
             2) +
         "\n";
}

std::string summary_text(JobSummary const& summary) {
  std::string text;
  char line[160];
  double const wall_s = job_wall_s(summary);
  std::snprintf(
      line, sizeof line,
      "%s: %zu images made, %zu already there, %zu failed, %zu left, in %.1f s on %zu ranks "
      "(%s)\n",
      summary.name.c_str(), summary.counts.done, summary.already_done, summary.counts.failed,
      images_left(summary), wall_s, summary.ranks.size(), summary.layout.c_str());
  text += line;
  auto const add_count = [&](std::uint64_t RankTotals::*images, char const* what) {
    std::uint64_t const count = sum_of_ranks(summary, images);
    if (count > 0) text += "  " + std::to_string(count) + " of them " + what + "\n";
  };
  add_count(&RankTotals::constant_images, "are constant: all bytes are the same (pixel_std is 0)");
  add_count(&RankTotals::cut_images,
            "have prompts that were cut: an encoder reads fewer tokens (tokens_cut)");
  for (std::string const& notice : summary.notices) text += "  " + notice + "\n";
  if (summary.ranks.empty()) return text;
  text += phases_text(summary.ranks);
  if (RankTotals const* const rank = least_busy_rank(summary.ranks); rank != nullptr) {
    std::snprintf(line, sizeof line,
                  "  GPU busy %.1f %% of the steady %.1f s (rank %d; least of all ranks)\n",
                  100 * rank->gpu.fraction(), rank->gpu.steady_s, rank->rank);
    text += line;
  }
  return text;
}

}  // namespace ditbatch
