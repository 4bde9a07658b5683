#include "bench/session_timeline.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "output/run_paths.hpp"
#include "output/trace_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// Span::thread
constexpr std::array<char const*, 4> thread_names{"main", "writer", "server", "gpu"};

// rank -> its file
std::map<int, std::string> trace_files(std::string const& session_folder) {
  std::map<int, std::string> files;
  std::string const prefix = "rank-";
  std::error_code none;
  for (auto const& entry : fs::directory_iterator(paths_in_session(session_folder).trace, none)) {
    std::string const name = entry.path().stem();
    if (entry.path().extension() == ".h5" && name.rfind(prefix, 0) == 0)
      files[std::atoi(name.c_str() + prefix.size())] = entry.path();
  }
  return files;
}

// rank -> "rank 3: replica 1, host n2, NVIDIA H200"; empty without a session.json
std::map<int, std::string> rank_names(std::string const& session_folder) {
  std::map<int, std::string> names;
  json const session = json_file_or_discarded(paths_in_session(session_folder).session_json);
  if (!session.is_object() || !session.contains("ranks")) return names;
  for (json const& rank : session.at("ranks")) {
    int const number = rank.value("rank", 0);
    names[number] = "rank " + std::to_string(number) + ": replica " +
                    std::to_string(rank.value("replica", 0)) + ", host " + rank.value("host", "") +
                    ", " + rank.value("device", "");
  }
  return names;
}

}  // namespace

Timeline session_timeline(std::string const& session_folder) {
  std::map<int, std::string> const files = trace_files(session_folder);
  require(!files.empty(), ExitCode::io,
          session_folder +
              ": has no trace/rank-*.h5 (a session writes them at its end) name a "
              "folder under sessions/ of a run folder");
  std::map<int, std::string> names = rank_names(session_folder);
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
