#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/run_config.hpp"

namespace ditbatch::config {

/// "2GiB", "512 MB", "4096" -> bytes. Binary units have an i, decimal ones none.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string const& text);

/// "12" records, or "0.1%" of them.
[[nodiscard]] std::optional<RecordLimit> parse_limit(std::string const& text);

}  // namespace ditbatch::config

namespace ditbatch {

/// A limit in records of a manifest with `total` of them, rounded down.
[[nodiscard]] std::uint64_t records_of(RecordLimit const& limit, std::uint64_t total);

}  // namespace ditbatch
