#include "doctor/diagnosis.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

namespace ditbatch {

namespace {

constexpr double slow_gemm = 0.7, slow_copy = 0.5, slow_link = 1.0 / 3;

// Of those above 0; 0 without any.
double median(std::vector<double> values) {
  std::erase(values, 0.0);
  if (values.empty()) return 0;
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string place_of(RankHealth const& rank) {
  return "rank " + std::to_string(rank.rank) + " on " + rank.host;
}

// The value that more than half of them have.
std::optional<std::string> majority(std::map<std::string, std::size_t> const& counts,
                                    std::size_t of) {
  for (auto const& [value, count] : counts)
    if (2 * count > of) return value;
  return std::nullopt;
}

using Group = std::vector<RankHealth*>;

std::map<std::string, Group> group_by(std::vector<RankHealth>& ranks,
                                      std::function<std::string(RankHealth const&)> const& key) {
  std::map<std::string, Group> groups;
  for (RankHealth& rank : ranks) groups[key(rank)].push_back(&rank);
  return groups;
}

void find_odd_ones(Group const& group, std::string RankHealth::*field, std::string const& problem,
                   std::string const& suggestion) {
  std::map<std::string, std::size_t> counts;
  std::size_t known = 0;
  for (RankHealth const* rank : group) {
    if ((rank->*field).empty()) continue;
    counts[rank->*field] += 1;
    known += 1;
  }
  if (counts.size() < 2) return;
  std::optional<std::string> const usual = majority(counts, known);
  for (RankHealth* rank : group) {
    std::string const& value = rank->*field;
    if (value.empty() || value == usual) continue;
    std::string const others = usual ? std::to_string(counts.at(*usual)) + " ranks have " + *usual
                                     : "the ranks disagree, and no value has a majority";
    rank->problems.push_back(problem + " " + value + " (" + others + ") " + suggestion);
  }
}

void find_slow_ones(Group const& group, double RankHealth::*rate, double least_share,
                    std::string const& what, std::string const& unit,
                    std::string const& suggestion) {
  std::vector<double> rates;
  for (RankHealth const* rank : group) rates.push_back(rank->*rate);
  double const usual = median(rates);
  for (RankHealth* rank : group) {
    if (rank->*rate <= 0 || rank->*rate >= least_share * usual) continue;
    std::string const from =
        rate == &RankHealth::link_gb_s ? " from rank " + std::to_string(rank->previous) : "";
    rank->problems.push_back(what + from + " at " + rounded(rank->*rate) + " " + unit +
                             " (the median is " + rounded(usual) + ") " + suggestion);
  }
}

}  // namespace

std::vector<RankHealth> diagnose(std::vector<RankHealth> ranks, bool judge_speed) {
  std::map<int, std::string> host_of;
  for (RankHealth const& rank : ranks) host_of[rank.rank] = rank.host;

  auto const all = group_by(ranks, [](RankHealth const&) { return std::string(); });
  for (auto const& [key, group] : all)
    find_odd_ones(group, &RankHealth::versions, "has", "install the same on all nodes");
  for (auto const& [device, group] :
       group_by(ranks, [](RankHealth const& rank) { return rank.device; })) {
    find_odd_ones(group, &RankHealth::gemm_sha256, "the test product has the SHA-256",
                  "this device computes wrongly: leave it out and have it replaced");
    if (!judge_speed) continue;
    find_slow_ones(group, &RankHealth::gemm_tflops, slow_gemm, "computes", "TFLOP/s",
                   "look at its clocks, power limit and temperature");
    find_slow_ones(group, &RankHealth::copy_gb_s, slow_copy, "copies between host and GPU", "GB/s",
                   "look at its PCIe link (nvidia-smi -q -d PCIE) and the rank's binding");
  }
  if (judge_speed) {
    auto const kind_of_link = [&host_of](RankHealth const& rank) {
      auto const from = host_of.find(rank.previous);
      return std::string(from != host_of.end() && from->second == rank.host ? "within" : "between");
    };
    for (auto const& [kind, group] : group_by(ranks, kind_of_link))
      find_slow_ones(group, &RankHealth::link_gb_s, slow_link, "receives", "GB/s",
                     "look at the link between the two");
  }
  return ranks;
}

std::vector<bool> ranks_to_keep(std::vector<RankHealth> const& diagnosed, int ranks_per_replica) {
  std::vector<bool> keep;
  for (RankHealth const& rank : diagnosed) keep.push_back(rank.problems.empty());
  auto surplus = std::count(keep.begin(), keep.end(), true) % ranks_per_replica;
  for (std::size_t rank = keep.size(); rank-- > 0 && surplus > 0;) {
    if (!keep[rank]) continue;
    keep[rank] = false;
    surplus -= 1;
  }
  return keep;
}

std::string health_text(std::vector<RankHealth> const& diagnosed) {
  std::string text;
  std::string sick;
  double seconds = 0;
  std::size_t sick_count = 0;
  for (RankHealth const& rank : diagnosed) {
    auto const rate = [](double value, std::string const& what, std::string const& unit) {
      return value > 0 ? ", " + what + " " + rounded(value) + " " + unit : std::string();
    };
    text += place_of(rank) + ": " + rank.device;
    if (!rank.gpu_uuid.empty()) text += " " + rank.gpu_uuid;
    text += rate(rank.gemm_tflops, "GEMM", "TFLOP/s") + rate(rank.copy_gb_s, "host copy", "GB/s") +
            rate(rank.link_gb_s, "from rank " + std::to_string(rank.previous), "GB/s") +
            rate(rank.folder_s * 1e3, "run folder", "ms") + "\n";
    for (std::string const& problem : rank.problems) text += "  " + problem + "\n";
    seconds = std::max(seconds, rank.seconds);
    if (rank.problems.empty()) continue;
    sick += (sick_count > 0 ? ", " : "") + place_of(rank);
    sick_count += 1;
  }
  std::string const examined =
      std::to_string(diagnosed.size()) + " ranks examined in " + rounded(seconds) + " s";
  if (sick_count == 0) return text + examined + ", all healthy\n";
  return text + examined + ", " + std::to_string(sick_count) + " unhealthy: " + sick +
         "; to go on without them: ditbatch run --exclude-unhealthy\n";
}

std::string health_json(std::vector<RankHealth> const& diagnosed) {
  nlohmann::json ranks = nlohmann::json::array();
  for (RankHealth const& rank : diagnosed) ranks.push_back(nlohmann::json::parse(to_message(rank)));
  return nlohmann::json{{"ranks", ranks}}.dump(2) + "\n";
}

}  // namespace ditbatch
