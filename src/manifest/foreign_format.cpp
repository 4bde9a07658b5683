#include "manifest/foreign_format.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ditbatch::manifest {

namespace {

using std::string_view_literals::operator""sv;

// How files begin that are no text in UTF-8.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> first_bytes{{
    {"\x1F\x8B"sv, "gzip"},
    {"\x28\xB5\x2F\xFD"sv, "zstd"},
    {"PAR1"sv, "Parquet"},
    {"PK\x03\x04"sv, "a zip or a spreadsheet"},
    {"\xFF\xFE"sv, "UTF-16"},
    {"\xFE\xFF"sv, "UTF-16"},
}};

std::string_view take_line(std::string_view& rest) {
  while (!rest.empty()) {
    std::size_t const newline = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(std::min(newline + 1, rest.size()));
    std::size_t const begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) continue;
    line.remove_prefix(begin);
    line.remove_suffix(line.size() - 1 - line.find_last_not_of(" \t\r"));
    return line;
  }
  return {};
}

std::string told(std::string_view format) {
  return "is " + std::string(format) +
         " (a manifest is JSONL: one JSON object a line) make one of it with "
         "tools/make_manifest.py";
}

}  // namespace

std::string foreign_format(std::string_view text) {
  for (auto const& [bytes, format] : first_bytes) {
    if (text.starts_with(bytes)) return told(format);
  }
  std::string_view rest = text;
  std::string_view const first = take_line(rest);
  std::string_view const second = take_line(rest);
  if (first.starts_with('[')) return told("a JSON array");
  if (first == "{" && !second.starts_with('{')) return told("one JSON object of many lines");
  // One bad line among good ones is told as such, and so is what is no text.
  constexpr std::size_t longest_line = 10'000;
  if (first.size() > longest_line || first.find('\0') != std::string_view::npos) return "";
  if (first.empty() || first.starts_with('{') || second.starts_with('{')) return "";
  if (first.find('\t') != std::string_view::npos) return told("TSV");
  if (first.find(',') != std::string_view::npos && !second.empty()) return told("CSV");
  return told("plain text");
}

}  // namespace ditbatch::manifest
