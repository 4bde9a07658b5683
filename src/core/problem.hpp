#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace ditbatch {

/// A place in an input file. Lines and columns (in bytes) count from 1; 0 means "not known".
struct Position {
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
};

/// One thing wrong with the input, printed as `file:line:column: field: problem (why) suggestion`.
struct Problem {
  Position where;
  std::string field;  // may be empty
  std::string text;   // problem (why) suggestion
};

[[nodiscard]] std::string to_string(Problem const& problem);

/// Collects every problem of the input, so that a user mends all of them in one go.
class Problems {
 public:
  void add(Position where, std::string field, std::string text);
  void append(Problems const& others);
  /// The same, by line and column; those without a line come first.
  void append_in_order(Problems const& others);
  [[nodiscard]] bool empty() const noexcept { return problems_.empty(); }
  [[nodiscard]] std::vector<Problem> const& all() const noexcept { return problems_; }
  /// Throws BadInput with all problems, if there are any.
  void throw_if_any() const;

 private:
  std::vector<Problem> problems_;
};

/// Input that cannot be used; exit code 65. `what()` has a line for each problem; of those
/// of one text in one file for the first, and their number.
class BadInput : public Error {
 public:
  explicit BadInput(std::vector<Problem> problems);
  [[nodiscard]] std::vector<Problem> const& problems() const noexcept { return problems_; }

 private:
  std::vector<Problem> problems_;
};

/// Throws BadInput with this one problem.
[[noreturn]] void throw_bad_input(Position where, std::string field, std::string text);

/// The known name nearest to a mistyped one, or "" when none is near (edit distance above 1/3).
[[nodiscard]] std::string nearest_name(std::string_view typed,
                                       std::vector<std::string_view> const& known);

/// Line and column (from 1) of a byte offset in a text.
[[nodiscard]] Position position_of(std::string file, std::string_view text, std::size_t offset);

/// Text as it can stand in one line of a message: control characters and bad UTF-8 escaped, long
/// text cut.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// A name from a file for the `field` of a problem: as it is where it is a plain word, else in
/// quotes.
[[nodiscard]] std::string field_name(std::string_view name);

}  // namespace ditbatch
