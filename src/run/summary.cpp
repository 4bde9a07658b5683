#include "run/summary.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace ditbatch {

using nlohmann::json;

namespace {

json phases_json(std::array<double, phase_count> const& phase_s) {
  json phases = json::object();
  for (std::size_t i = 0; i < phase_count; ++i) phases[phase_names[i]] = phase_s[i];
  return phases;
}

double job_wall_s(JobSummary const& summary) {
  double wall_s = 0;
  for (RankTotals const& rank : summary.ranks) wall_s = std::max(wall_s, rank.wall_s);
  return wall_s;
}

}  // namespace

std::string to_message(RankTotals const& totals) {
  return json{{"rank", totals.rank},
              {"host", totals.host},
              {"wall_s", totals.wall_s},
              {"phase_s", totals.phase_s},
              {"writer_wait_s", totals.writer_wait_s}}
      .dump();
}

RankTotals rank_totals_from_message(std::string const& message) {
  json const parsed = json::parse(message);
  return {parsed.at("rank"), parsed.at("host"), parsed.at("wall_s"), parsed.at("phase_s"),
          parsed.at("writer_wait_s")};
}

std::string summary_json(JobSummary const& summary) {
  json ranks = json::array();
  for (RankTotals const& rank : summary.ranks) {
    ranks.push_back({{"rank", rank.rank},
                     {"host", rank.host},
                     {"wall_s", rank.wall_s},
                     {"phase_s", phases_json(rank.phase_s)},
                     {"writer_wait_s", rank.writer_wait_s}});
  }
  double const wall_s = job_wall_s(summary);
  auto const made = static_cast<double>(summary.counts.done);
  return json{{"name", summary.name},
              {"layout", summary.layout},
              {"images_made", summary.counts.done},
              {"images_already_done", summary.already_done},
              {"images_failed", summary.counts.failed},
              {"images_left", summary.counts.total + summary.beyond_limit - summary.counts.done -
                                  summary.counts.failed},
              {"stop_reason", summary.stop_reason},
              {"wall_s", wall_s},
              {"images_per_s", wall_s > 0 ? made / wall_s : 0.0},
              {"weights_bytes", summary.load.weights_bytes},
              {"load_s", summary.load.load_s},
              {"gb_per_s", summary.load.gb_per_s()},
              {"first_image_s", summary.first_image_s},
              {"ranks", ranks}}
             .dump(2) +
         "\n";
}

std::string summary_text(JobSummary const& summary) {
  std::string text;
  char line[160];
  double const wall_s = job_wall_s(summary);
  std::snprintf(line, sizeof line,
                "%s: %zu images made, %zu already there, %zu failed, in %.1f s on %zu ranks (%s)\n",
                summary.name.c_str(), summary.counts.done, summary.already_done,
                summary.counts.failed, wall_s, summary.ranks.size(), summary.layout.c_str());
  text += line;
  text += "  seconds by phase        mean    largest  (rank)\n";
  double sum_of_means = 0;
  for (std::size_t phase = 0; phase < phase_count && !summary.ranks.empty(); ++phase) {
    double sum = 0;
    RankTotals const* largest = &summary.ranks.front();
    for (RankTotals const& rank : summary.ranks) {
      sum += rank.phase_s[phase];
      if (rank.phase_s[phase] > largest->phase_s[phase]) largest = &rank;
    }
    double const mean = sum / static_cast<double>(summary.ranks.size());
    sum_of_means += mean;
    std::snprintf(line, sizeof line, "  %-18s %9.2f  %9.2f  (%d)\n", phase_names[phase], mean,
                  largest->phase_s[phase], largest->rank);
    text += line;
  }
  std::snprintf(line, sizeof line, "  %-18s %9.2f\n", "sum", sum_of_means);
  return text + line;
}

}  // namespace ditbatch
