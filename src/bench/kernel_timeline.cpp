#include "bench/kernel_timeline.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

constexpr std::size_t longest_name = 200;  // template arguments fill kilobytes

}  // namespace

std::string timeline_message(int rank, std::string const& rank_name,
                             std::vector<KernelRecord> const& kernels,
                             std::vector<Span> const& phases) {
  std::int64_t const to_unix_ns = unix_time_ns() - now_ns();
  json rows = json::array({"phases"});
  json names = json::array();
  json events = json::array();  // row, name, begin, end
  std::map<std::string, std::size_t> name_places;
  auto const place_of = [&](std::string const& name) {
    auto const [found, is_new] = name_places.emplace(name, names.size());
    if (is_new) names.push_back(name.substr(0, longest_name));
    return found->second;
  };
  for (Span const& phase : phases) {
    events.push_back(
        {0, place_of(phase.name), phase.begin_ns + to_unix_ns, phase.end_ns + to_unix_ns});
  }
  std::vector<KernelRecord const*> sorted;
  for (KernelRecord const& kernel : kernels) sorted.push_back(&kernel);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](auto const* a, auto const* b) { return a->begin_ns < b->begin_ns; });
  struct Row {
    int place = 0;
    std::int64_t end_ns = 0;
  };
  std::map<std::uint32_t, Row> streams;
  for (KernelRecord const* kernel : sorted) {
    auto const [found, is_new] =
        streams.emplace(kernel->stream, Row{static_cast<int>(rows.size())});
    if (is_new) rows.push_back("stream " + std::to_string(kernel->stream));
    // A kernel may begin a little before the one that it depends on has ended.
    std::int64_t const begin_ns = std::max(kernel->begin_ns, found->second.end_ns);
    if (kernel->end_ns <= begin_ns) continue;
    found->second.end_ns = kernel->end_ns;
    events.push_back({found->second.place, place_of(kernel->name), begin_ns + to_unix_ns,
                      kernel->end_ns + to_unix_ns});
  }
  return to_text(json{
      {"rank", rank}, {"name", rank_name}, {"rows", rows}, {"names", names}, {"events", events}});
}

Timeline timeline_from_messages(std::vector<std::string> const& messages) {
  Timeline timeline;
  for (std::string const& message : messages) {
    if (message.empty()) continue;
    json const from = json_of(message);
    int const rank = from.at("rank");
    std::string const name = from.at("name");
    auto const rows = from.at("rows").get<std::vector<std::string>>();
    auto const names = from.at("names").get<std::vector<std::string>>();
    for (std::size_t row = 0; row < rows.size(); ++row)
      timeline.tracks.push_back({rank, static_cast<int>(row), name, rows[row]});
    for (json const& event : from.at("events")) {
      timeline.events.push_back({names.at(event.at(1).get<std::size_t>()), "", rank, event.at(0),
                                 event.at(2), event.at(3)});
    }
  }
  return timeline;
}

}  // namespace ditbatch
