#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/run_config.hpp"

namespace ditbatch::config {

/// "2GiB", "512 MB", "4096" -> bytes. Binary units have an i, decimal ones none.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::optional<std::uint64_t> size_of(std::int64_t bytes);

/// "12" records, or "0.1%" of them.
[[nodiscard]] std::optional<RecordLimit> parse_limit(std::string_view text);
[[nodiscard]] std::optional<RecordLimit> limit_of(std::int64_t records);

/// The shortest decimal text that reads back as the same number, without exponent where it is
/// short.
[[nodiscard]] std::string shortest_text(double number);

/// What a number may be: "whole number, 1 to 64", "number, 0 to 1000".
[[nodiscard]] std::string whole_number_range(std::int64_t least, std::int64_t most);
[[nodiscard]] std::string number_range(double least, double most);

/// A text as a TOML basic string, with its quotes.
[[nodiscard]] std::string quoted_toml(std::string_view text);

}  // namespace ditbatch::config

namespace ditbatch {

/// A limit in records of a manifest with `total` of them, rounded down.
[[nodiscard]] std::uint64_t records_of(RecordLimit const& limit, std::uint64_t total);

}  // namespace ditbatch
