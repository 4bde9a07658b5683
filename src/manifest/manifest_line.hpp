#pragma once

#include <cstddef>
#include <cstdint>
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
  double number = 0;        // Kind::number, and Kind::integer
  std::string_view source;  // the value as it stands in the line
  std::size_t offset = 0;   // of its first byte in the line
};

struct LineField {
  std::string key;
  std::size_t key_offset = 0;
  LineValue value;
};

/// What makes a line unreadable.
struct LineFault {
  std::string field;  // in which it lies, if that is known
  std::string text;   // empty: no fault
  std::size_t offset = 0;
};

/// The fields of one line in its order, or its fault.
struct ParsedLine {
  std::vector<LineField> fields;
  LineFault fault;
};

/// One JSON object, read without recursion. NaN, lone surrogates, NUL bytes and anything behind the
/// object are faults; a key that is there twice comes twice. The only place that knows the
/// manifest's JSON.
[[nodiscard]] ParsedLine parse_line(std::string_view line);

/// JSON without the white space between its parts; numbers and texts stay as they are written.
[[nodiscard]] std::string compact_json(std::string_view source);

}  // namespace ditbatch::manifest
