#include "doctor/diagnosis.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

namespace ditbatch {

namespace {

constexpr double slow_gemm = 0.7, slow_copy = 0.35, slow_link = 1.0 / 3;
constexpr std::size_t least_links = 3;  // of two, nobody can tell which is the usual one

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

using Group = std::vector<RankHealth*>;

std::map<std::string, Group> group_by(std::vector<RankHealth>& ranks,
                                      std::function<std::string(RankHealth const&)> const& key) {
  std::map<std::string, Group> groups;
  for (RankHealth& rank : ranks) groups[key(rank)].push_back(&rank);
  return groups;
}

struct Finding {
  std::string problem;
  std::string suggestion;
};

// Whoever has another value than more than half of those who know theirs; all, if there is no such
// majority.
void find_odd_ones(Group const& group, std::string RankHealth::*field, Finding const& finding) {
  std::map<std::string, std::size_t> counts;
  std::size_t known = 0;
  for (RankHealth const* rank : group) {
    if ((rank->*field).empty()) continue;
    counts[rank->*field] += 1;
    known += 1;
  }
  if (counts.size() < 2) return;
  auto const usual = std::find_if(counts.begin(), counts.end(),
                                  [known](auto const& entry) { return 2 * entry.second > known; });
  for (RankHealth* rank : group) {
    std::string const& value = rank->*field;
    if (value.empty() || (usual != counts.end() && value == usual->first)) continue;
    if (usual != counts.end()) {
      rank->problems.push_back(finding.problem + " " + value + " (" +
                               std::to_string(usual->second) + " ranks: " + usual->first + ") " +
                               finding.suggestion);
    } else {
      rank->problems.push_back(finding.problem + " " + value +
                               " (the ranks disagree, and no value has a majority) " +
                               finding.suggestion);
    }
  }
}

bool is_slow(RankHealth const& rank, double RankHealth::*rate, double least) {
  return rank.*rate > 0 && rank.*rate < least;
}

double usual_rate(Group const& group, double RankHealth::*rate) {
  std::vector<double> rates;
  for (RankHealth const* rank : group) rates.push_back(rank->*rate);
  return median(rates);
}

void find_slow_ones(Group const& group, double RankHealth::*rate, double share,
                    Finding const& finding) {
  double const usual = usual_rate(group, rate);
  for (RankHealth* rank : group) {
    if (!is_slow(*rank, rate, share * usual)) continue;
    rank->problems.push_back(finding.problem + " at " + rounded(rank->*rate) + " (the median is " +
                             rounded(usual) + ") " + finding.suggestion);
  }
}

void find_slow_links(std::vector<RankHealth>& ranks) {
  std::map<int, std::string> host_of;
  for (RankHealth const& rank : ranks) host_of[rank.rank] = rank.host;
  auto const from_host = [&host_of](RankHealth const& rank) {
    auto const found = host_of.find(rank.previous);
    return found == host_of.end() ? std::string() : found->second;
  };
  auto const links = group_by(ranks, [&](RankHealth const& rank) {
    return from_host(rank) == rank.host ? "within " + std::to_string(rank.local_rank) : "between";
  });
  for (auto const& [kind, group] : links) {
    double const usual = usual_rate(group, &RankHealth::link_gb_s);
    if (group.size() < least_links) continue;
    Group slow;
    std::set<std::string> receive_slowly, send_slowly;
    for (RankHealth* rank : group) {
      if (!is_slow(*rank, &RankHealth::link_gb_s, slow_link * usual)) continue;
      slow.push_back(rank);
      if (kind != "between") continue;
      receive_slowly.insert(rank->host);
      send_slowly.insert(from_host(*rank));
    }
    auto const is_cause = [&](std::string const& host) {
      return receive_slowly.contains(host) && send_slowly.contains(host);
    };
    for (RankHealth* rank : slow) {
      std::string const text = "from rank " + std::to_string(rank->previous) + " to rank " +
                               std::to_string(rank->rank) + " at " + rounded(rank->link_gb_s) +
                               " GB/s (the median is " + rounded(usual) + ")";
      bool const here = is_cause(rank->host), there = is_cause(from_host(*rank));
      for (RankHealth& other : ranks) {
        if ((here && other.host == rank->host) || (there && other.host == from_host(*rank)))
          other.problems.push_back("this node's links are slow: " + text +
                                   " look at its network adapter");
      }
      if (!here && !there) rank->problems.push_back("a slow link: " + text + " look at both ends");
    }
  }
}

void find_wrong_senders(std::vector<RankHealth>& ranks) {
  std::map<int, std::size_t> receivers, accusers;
  for (RankHealth const& rank : ranks) {
    for (int from : rank.exchanged) receivers[from] += 1;
    for (int from : rank.wrong_from) accusers[from] += 1;
  }
  auto const most = [](std::size_t part, std::size_t whole) {
    return whole > 1 && 2 * part > whole;
  };
  for (RankHealth& rank : ranks) {
    if (most(accusers[rank.rank], receivers[rank.rank])) {
      rank.problems.push_back("sends wrong bytes (" + std::to_string(accusers[rank.rank]) + " of " +
                              std::to_string(receivers[rank.rank]) +
                              " ranks received other values) leave it out, and test its network");
      continue;
    }
    bool const receives_wrongly = most(rank.wrong_from.size(), rank.exchanged.size());
    for (int from : rank.wrong_from) {
      if (!receives_wrongly && most(accusers[from], receivers[from])) continue;  // the sender's
      rank.problems.push_back("wrong bytes came from rank " + std::to_string(from) +
                              " (an exchange of known values) leave it out, and test its network");
      auto const sender = std::find_if(ranks.begin(), ranks.end(),
                                       [from](RankHealth const& r) { return r.rank == from; });
      if (!receives_wrongly && sender != ranks.end())
        sender->problems.push_back("wrong bytes reached rank " + std::to_string(rank.rank) +
                                   " (an exchange of known values) test the network between them");
    }
  }
}

}  // namespace

std::vector<RankHealth> diagnose(std::vector<RankHealth> ranks, Judgement const& judgement) {
  auto const together = group_by(ranks, [](RankHealth const&) { return std::string(); });
  for (auto const& [key, group] : together) {
    find_odd_ones(group, &RankHealth::program, {"is", "install the same program on all nodes"});
    if (judgement.same_hardware)
      find_odd_ones(group, &RankHealth::hardware,
                    {"has", "leave one kind out, or write [runtime] allow_mixed = true"});
    find_odd_ones(group, &RankHealth::folder_sees,
                  {"in the run folder it finds", "use a folder that all nodes mount"});
  }
  auto const by_device = group_by(ranks, [](RankHealth const& rank) { return rank.device; });
  for (auto const& [device, group] : by_device) {
    find_odd_ones(group, &RankHealth::gemm_sha256,
                  {"the test product has the SHA-256", "a device that computes wrongly has to go"});
    if (!judgement.speed) continue;
    find_slow_ones(group, &RankHealth::gemm_tflops, slow_gemm,
                   {"computes, in TFLOP/s,", "look at its clocks, power limit and temperature"});
    find_slow_ones(group, &RankHealth::copy_gb_s, slow_copy,
                   {"copies between host and GPU, in GB/s,",
                    "look at its PCIe link (nvidia-smi -q -d PCIE) and the rank's binding"});
  }
  if (judgement.speed) find_slow_links(ranks);
  find_wrong_senders(ranks);
  return ranks;
}

std::vector<bool> ranks_to_keep(std::vector<RankHealth> const& diagnosed, int ranks_per_replica,
                                std::optional<int> replicas) {
  std::vector<bool> keep(diagnosed.size(), false);
  std::map<std::string, std::vector<std::size_t>> healthy_of_host;
  std::map<std::string, int> ranks_of_host;
  for (std::size_t i = 0; i < diagnosed.size(); ++i) {
    ranks_of_host[diagnosed[i].host] += 1;
    std::vector<std::size_t>& healthy = healthy_of_host[diagnosed[i].host];
    if (diagnosed[i].problems.empty()) healthy.push_back(i);
  }
  bool const replicas_fit_hosts =
      std::all_of(ranks_of_host.begin(), ranks_of_host.end(),
                  [&](auto const& host) { return host.second % ranks_per_replica == 0; });
  std::vector<std::size_t> chosen;
  for (auto& [host, healthy] : healthy_of_host) {
    if (replicas_fit_hosts)
      healthy.resize(healthy.size() - healthy.size() % static_cast<std::size_t>(ranks_per_replica));
    chosen.insert(chosen.end(), healthy.begin(), healthy.end());
  }
  std::sort(chosen.begin(), chosen.end());
  auto whole = static_cast<int>(chosen.size()) / ranks_per_replica;
  if (replicas) whole = std::min(whole, *replicas);
  chosen.resize(static_cast<std::size_t>(whole * ranks_per_replica));
  for (std::size_t i : chosen) keep[i] = true;
  return keep;
}

}  // namespace ditbatch
