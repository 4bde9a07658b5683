#pragma once

#include <string>

namespace ditbatch {

/// The release that brought something.
enum class Since { v0_1, v0_2 };
using enum Since;

/// "0.1"
[[nodiscard]] constexpr char const* version_of(Since since) {
  return since == v0_1 ? "0.1" : "0.2";
}

/// A name that users meet, and what the reference says of it. The lists of names (keys, fields,
/// columns, options, files, metrics) are lists of these: one without a meaning does not compile.
/// Visitors that need no more than the name take it as `char const*`.
class Term {
 public:
  consteval Term(char const* name, Since since, char const* meaning, char const* unit = "")
      : name_(name), meaning_(meaning), unit_(unit), since_(since) {
    if (*name == '\0' || *meaning == '\0') throw "a term has a name and a meaning";
  }
  // NOLINTNEXTLINE(google-explicit-constructor): a list hands its terms to visitors as names
  constexpr operator char const*() const { return name_; }
  [[nodiscard]] constexpr char const* name() const { return name_; }
  [[nodiscard]] constexpr char const* meaning() const { return meaning_; }
  /// "s", "px"; empty where it has none, or each value names its own.
  [[nodiscard]] constexpr char const* unit() const { return unit_; }
  [[nodiscard]] constexpr Since since() const { return since_; }

 private:
  char const* name_;
  char const* meaning_;
  char const* unit_;
  Since since_;
};

/// A term with what the list that has it tells of its values.
struct TermEntry {
  Term term;
  std::string values;   // what it may be, or how it is stored: "1 to 1000", "uint16 [N]"
  std::string initial;  // its default as one would write it; empty: none
};

}  // namespace ditbatch
