#pragma once

#include <string>
#include <vector>

#include "core/trace.hpp"

namespace ditbatch {

/// Writes a rank's spans as an HDF5 file: name, record_id (texts), begin_ns, end_ns (int64), thread
/// (uint16), one row a span.
void write_trace_file(std::string const& path, std::vector<Span> const& spans);

}  // namespace ditbatch
