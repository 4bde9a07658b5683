#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/trace.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

/// Writes a rank's spans to a new file as they come, on a thread of its own, so that a job that is
/// killed leaves a trace too: after {"steady_to_unix_ns": "OFFSET"}, which turns times into those
/// of the host's calendar, a line ["name", "record_id", begin_ns, end_ns, thread] a span. At most
/// one of these lives for a trace.
class TraceWriter {
 public:
  explicit TraceWriter(std::string path, Trace& trace,
                       std::chrono::milliseconds interval = std::chrono::seconds(5));
  TraceWriter(TraceWriter const&) = delete;
  TraceWriter& operator=(TraceWriter const&) = delete;
  ~TraceWriter();
  /// Writes the rest. Throws Error(io) that was met at any time: the file ends there.
  void finish();

 private:
  void run();
  void write_new();
  void stop() noexcept;

  std::string path_;
  Trace& trace_;
  std::chrono::milliseconds interval_;
  UniqueDescriptor file_;
  std::uint64_t size_bytes_ = 0;
  std::exception_ptr error_;  // the thread's until it ended
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

struct TraceFile {
  std::vector<Span> spans;
  std::int64_t steady_to_unix_ns = 0;  // 0: not known
};
/// Also while it is written: a line that is cut off counts as not there yet. Files *.h5 are those
/// of version 0.1's first sessions, with the same columns. Throws Error(io) where the file is none
/// of these.
[[nodiscard]] TraceFile read_trace_file(std::string const& path);

}  // namespace ditbatch
