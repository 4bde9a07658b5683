#pragma once

#include <cstdint>
#include <deque>
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

/// The spans of a rank, in the order in which they ended, until somebody takes them, and the last
/// ones for dumps. Where nobody takes them for long the oldest are dropped: memory does not grow
/// with the job. Safe from any thread.
class Trace {
 public:
  static constexpr std::size_t most_last = 1000;
  static constexpr std::size_t most_waiting = 50'000;

  void add(Span span);
  /// Those that nobody took yet.
  [[nodiscard]] std::vector<Span> drain();
  /// How many were dropped before somebody took them.
  [[nodiscard]] std::uint64_t dropped() const;
  /// The last spans that ended, at most so many and at most most_last.
  [[nodiscard]] std::vector<Span> last(std::size_t count) const;
  /// How many are in memory.
  [[nodiscard]] std::size_t kept() const;

 private:
  mutable std::mutex mutex_;
  std::deque<Span> spans_;
  std::size_t waiting_ = 0;  // the last so many were not taken
  std::uint64_t dropped_ = 0;
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
