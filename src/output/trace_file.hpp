#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/trace.hpp"

namespace ditbatch {

/// Writes a rank's spans as an HDF5 file: name, record_id (texts), begin_ns, end_ns (int64), thread
/// (uint16), one row a span; the attribute steady_to_unix_ns turns its times into those of the
/// host's calendar.
void write_trace_file(std::string const& path, std::vector<Span> const& spans);

struct TraceFile {
  std::vector<Span> spans;
  std::int64_t steady_to_unix_ns = 0;  // 0: not known
};
/// Throws Error(io) where the file is none of these.
[[nodiscard]] TraceFile read_trace_file(std::string const& path);

}  // namespace ditbatch
