#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ditbatch::manifest {

/// A value of a manifest line, as it was written.
struct LineValue {
  enum class Kind { null, boolean, integer, number, text, texts, other } kind = Kind::other;
  std::string text;                // Kind::text
  std::vector<std::string> texts;  // Kind::texts: a list of nothing but texts
  bool negative = false;           // Kind::integer: magnitude and sign
  std::uint64_t magnitude = 0;
  double number = 0;               // Kind::number, and Kind::integer
  std::string_view source;         // the value as it stands in the line
  std::size_t offset = 0;          // of its first byte in the line
};

struct LineField {
  std::string key;
  std::size_t key_offset = 0;
  LineValue value;
};

/// The fields of one line, or the first thing that makes it unreadable.
struct ParsedLine {
  std::vector<LineField> fields;  // in the order of the line
  std::string fault;              // empty: readable
  std::size_t fault_offset = 0;
};

/// One JSON object without recursion; duplicate keys, NaN, lone surrogates and anything behind the object
/// are faults. The only place that knows the manifest's JSON.
[[nodiscard]] ParsedLine parse_line(std::string_view line);

}  // namespace ditbatch::manifest
