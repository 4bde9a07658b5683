#include "config/quantities.hpp"

#include <cmath>
#include <cstdlib>
#include <map>

namespace ditbatch {

namespace config {

namespace {

struct NumberAndRest {
  double number = 0;
  std::string rest;
};

std::optional<NumberAndRest> split_number(std::string const& text) {
  if (text.empty() || text.find_first_of("0123456789.") != 0) return std::nullopt;  // no sign, no "nan"
  char* end = nullptr;
  double const number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(number)) return std::nullopt;
  std::string rest(end);
  rest.erase(0, rest.find_first_not_of(' ') == std::string::npos ? rest.size() : rest.find_first_not_of(' '));
  return NumberAndRest{number, rest};
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string const& text) {
  static std::map<std::string, double> const units{{"", 1},      {"B", 1},      {"kB", 1e3},           {"KB", 1e3},
                                                   {"MB", 1e6},  {"GB", 1e9},   {"TB", 1e12},          {"KiB", 1024.0},
                                                   {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}};
  auto const split = split_number(text);
  if (!split || units.count(split->rest) == 0) return std::nullopt;
  double const bytes = split->number * units.at(split->rest);
  if (bytes < 1 || bytes > 1e18) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::optional<RecordLimit> parse_limit(std::string const& text) {
  auto const split = split_number(text);
  if (!split) return std::nullopt;
  if (split->rest == "%" && split->number <= 100) return RecordLimit{split->number, RecordLimit::Unit::percent};
  if (split->rest.empty() && split->number == std::floor(split->number)) return RecordLimit{split->number, RecordLimit::Unit::records};
  return std::nullopt;
}

}  // namespace config

std::uint64_t records_of(RecordLimit const& limit, std::uint64_t total) {
  double const records = limit.unit == RecordLimit::Unit::percent ? limit.value / 100 * static_cast<double>(total) : limit.value;
  return static_cast<std::uint64_t>(records);
}

}  // namespace ditbatch
