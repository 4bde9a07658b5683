#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ditbatch {

/// Nanoseconds of the steady clock.
[[nodiscard]] std::int64_t now_ns();
/// Nanoseconds since 1970 (UTC).
[[nodiscard]] std::int64_t unix_time_ns();

/// One stretch of work of one rank; spans nest. Times are of the steady clock.
struct Span {
  std::string name;       // phase or kernel class, from a small fixed vocabulary
  std::string record_id;  // empty outside of an image
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::uint16_t thread = 0;  // 0 main, 1 writer, 2 server, 3 the GPU
};

/// All spans of a rank, in the order in which they ended. Safe from any thread.
class Trace {
 public:
  void add(Span span);
  /// Takes what was collected since the last call.
  [[nodiscard]] std::vector<Span> drain();
  /// The last spans that ended, at most so many.
  [[nodiscard]] std::vector<Span> last(std::size_t count) const;

 private:
  mutable std::mutex mutex_;
  std::vector<Span> spans_;
};

/// Adds a span to a trace when it goes out of scope; profilers see it as a range meanwhile.
class ScopedSpan {
 public:
  ScopedSpan(Trace& trace, std::string name, std::string record_id = {}, std::uint16_t thread = 0);
  ScopedSpan(ScopedSpan const&) = delete;
  ScopedSpan& operator=(ScopedSpan const&) = delete;
  ~ScopedSpan();

 private:
  Trace& trace_;
  Span span_;
};

}  // namespace ditbatch
