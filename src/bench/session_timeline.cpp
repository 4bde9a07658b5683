#include "bench/session_timeline.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "output/run_paths.hpp"
#include "output/trace_file.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// Span::thread
constexpr std::array<char const*, 4> thread_names{"main", "writer", "server", "gpu"};

// rank -> "rank 3: replica 1, host n2, NVIDIA H200"; empty without a session.json, or where that
// tells something else.
std::map<int, std::string> rank_names(SessionPaths const& session) {
  std::map<int, std::string> names;
  json const told = json_file_or_discarded(session.session_json);
  if (told.is_discarded()) return names;
  try {
    for (json const& rank : told.at("ranks")) {
      int const number = rank.at("rank");
      names[number] = "rank " + std::to_string(number) + ": replica " +
                      std::to_string(rank.value("replica", 0)) + ", host " +
                      rank.value("host", "") + ", " + rank.value("device", "");
    }
  } catch (json::exception const& error) {
    log_warning(session.session_json + ": cannot name all ranks (" + error.what() + ")");
  }
  return names;
}

}  // namespace

Timeline session_timeline(std::string const& session_folder) {
  SessionPaths const session = paths_in_session(session_folder);
  std::map<int, std::string> const files = trace_files(session);
  require(!files.empty(), ExitCode::io,
          session_folder +
              ": has no trace/rank-*.jsonl (a session writes them while it runs) name a "
              "folder under sessions/ of a run folder");
  std::map<int, std::string> names = rank_names(session);
  Timeline timeline;
  for (auto const& [rank, path] : files) {
    TraceFile const trace = read_trace_file(path);
    std::string const name = names.count(rank) != 0 ? names[rank] : "rank " + std::to_string(rank);
    std::set<int> threads;
    for (Span const& span : trace.spans) {
      threads.insert(span.thread);
      timeline.events.push_back({span.name, span.record_id, rank, span.thread,
                                 span.begin_ns + trace.steady_to_unix_ns,
                                 span.end_ns + trace.steady_to_unix_ns});
    }
    for (int const thread : threads) {
      auto const known = static_cast<std::size_t>(thread) < thread_names.size();
      timeline.tracks.push_back({rank, thread, name,
                                 known ? thread_names[static_cast<std::size_t>(thread)]
                                       : "thread " + std::to_string(thread)});
    }
  }
  return timeline;
}

}  // namespace ditbatch
