#include "config/quantities.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace ditbatch {

namespace config {

namespace {

constexpr double most_bytes = 1e18;
constexpr double most_records = 1e15;

struct NumberAndUnit {
  double number = 0;
  std::string_view unit;
};

// Digits with an optional fraction: no sign, no exponent, no "nan", no hexadecimal, whatever the
// locale.
std::optional<NumberAndUnit> split_number(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  NumberAndUnit split;
  char const* const end = text.data() + text.size();
  auto const [rest, error] =
      std::from_chars(text.data(), end, split.number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  split.unit = {rest, static_cast<std::size_t>(end - rest)};
  while (!split.unit.empty() && split.unit.front() == ' ') split.unit.remove_prefix(1);
  return split;
}

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array<Unit, 12> units{{{"", 1},
                                      {"B", 1},
                                      {"kB", 1e3},
                                      {"KB", 1e3},
                                      {"MB", 1e6},
                                      {"GB", 1e9},
                                      {"TB", 1e12},
                                      {"KiB", 1024.0},
                                      {"kiB", 1024.0},
                                      {"MiB", 1048576.0},
                                      {"GiB", 1073741824.0},
                                      {"TiB", 1099511627776.0}}};

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  auto const split = split_number(text);
  if (!split) return std::nullopt;
  for (Unit const& unit : units) {
    if (unit.name != split->unit) continue;
    double const bytes = split->number * unit.bytes;
    if (bytes < 1 || bytes > most_bytes) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> size_of(std::int64_t bytes) {
  if (bytes < 1 || static_cast<double>(bytes) > most_bytes) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::optional<RecordLimit> parse_limit(std::string_view text) {
  auto const split = split_number(text);
  if (!split) return std::nullopt;
  if (split->unit == "%" && split->number <= 100) {
    return RecordLimit{split->number, RecordLimit::Unit::percent};
  }
  bool const is_count = split->unit.empty() && split->number == std::floor(split->number);
  if (is_count && split->number <= most_records) {
    return RecordLimit{split->number, RecordLimit::Unit::records};
  }
  return std::nullopt;
}

std::optional<RecordLimit> limit_of(std::int64_t records) {
  if (records < 0 || static_cast<double>(records) > most_records) return std::nullopt;
  return RecordLimit{static_cast<double>(records), RecordLimit::Unit::records};
}

std::string shortest_text(double number) {
  std::array<char, 64> text{};
  auto const [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return {text.data(), error == std::errc() ? end : text.data()};
}

std::string whole_number_range(std::int64_t least, std::int64_t most) {
  std::string const from = "whole number, from " + std::to_string(least);
  return most == std::numeric_limits<std::int64_t>::max() ? from
                                                          : from + " to " + std::to_string(most);
}

std::string number_range(double least, double most) {
  return "number, from " + shortest_text(least) + " to " + shortest_text(most);
}

std::string quoted_toml(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      std::array<char, 8> escaped{};
      (void)std::snprintf(escaped.data(), escaped.size(), "\\u%04X", byte);
      out += escaped.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace config

std::uint64_t records_of(RecordLimit const& limit, std::uint64_t total) {
  if (limit.unit == RecordLimit::Unit::records) return static_cast<std::uint64_t>(limit.value);
  // Multiplied first and with a little to spare: 29 % of 100 is 29, not 28.999...
  double const records = limit.value * static_cast<double>(total) / 100;
  return std::min(total, static_cast<std::uint64_t>(records + 1e-9));
}

}  // namespace ditbatch
