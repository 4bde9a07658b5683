#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "doctor/diagnosis.hpp"

namespace ditbatch {

namespace {

std::string rate(double value, std::string const& what, char const* unit) {
  if (value <= 0) return "";
  char text[48];
  std::snprintf(text, sizeof text, " %.3g %s", value, unit);
  return ", " + what + text;
}

}  // namespace

std::string health_text(std::vector<RankHealth> const& diagnosed) {
  std::string text, sick;
  double seconds = 0;
  std::size_t sick_count = 0;
  for (RankHealth const& rank : diagnosed) {
    std::string const place = "rank " + std::to_string(rank.rank) + " on " + rank.host;
    text += place + ": " + rank.device + (rank.gpu_uuid.empty() ? "" : " " + rank.gpu_uuid) +
            (rank.driver.empty() ? "" : ", driver " + rank.driver) +
            rate(rank.gemm_tflops, "GEMM", "TFLOP/s") + rate(rank.copy_gb_s, "host copy", "GB/s") +
            rate(rank.link_gb_s, "from rank " + std::to_string(rank.previous), "GB/s") +
            rate(rank.folder_s * 1e3, "run folder", "ms") + "\n";
    for (std::string const& problem : rank.problems) text += "  " + problem + "\n";
    seconds = std::max(seconds, rank.seconds);
    if (rank.problems.empty()) continue;
    sick += (sick_count > 0 ? ", " : "") + place;
    sick_count += 1;
  }
  char examined[64];
  std::snprintf(examined, sizeof examined, "%zu ranks examined in %.1f s, ", diagnosed.size(),
                seconds);
  text += examined;
  if (sick_count == 0) return text + "all healthy\n";
  return text + std::to_string(sick_count) + " unhealthy: " + sick +
         "; to go on without them: ditbatch run --exclude-unhealthy\n";
}

std::string health_json(std::vector<RankHealth> const& diagnosed) {
  nlohmann::json ranks = nlohmann::json::array();
  for (RankHealth const& rank : diagnosed) ranks.push_back(json_of(to_message(rank)));
  return to_text(nlohmann::json{{"ranks", ranks}}, 2) + "\n";
}

}  // namespace ditbatch
