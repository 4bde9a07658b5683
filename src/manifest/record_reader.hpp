#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/problem.hpp"
#include "manifest/image_record.hpp"
#include "manifest/manifest_line.hpp"
#include "manifest/record_rules.hpp"

namespace ditbatch::manifest {

/// Collects the first problems of a manifest and counts the rest.
class CappedProblems {
 public:
  CappedProblems(Problems& problems, std::size_t most) : problems_(problems), left_(most) {}
  void add(Position where, std::string field, std::string text);
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  Problems& problems_;
  std::size_t left_;
  std::size_t dropped_ = 0;
};

/// Where a line stands. A byte order mark before the first line counts in its columns.
struct LinePlace {
  std::string const& file;
  std::size_t line = 0;
  std::size_t bytes_before = 0;
};

/// Fills a record with the fields of one line; each thing that is wrong is added with its column.
/// The visitor of visit_line() that reads: what it visits are the names that are known.
class RecordReader {
 public:
  /// The record begins as `defaults`. The other arguments must outlive the reader.
  RecordReader(LinePlace const& place, RecordRules const& rules, ImageRecord const& defaults,
               CappedProblems& problems);

  void read(std::vector<LineField> const& fields);
  /// Adds a problem at a byte of the line.
  void fault(std::size_t offset, std::string const& field, std::string const& text);

  void id(char const* name, std::string& target);
  void text(char const* name, std::string& target);
  void optional_text(char const* name, std::optional<std::string>& target);
  void second_text(char const* name, std::optional<std::string>& target);
  void seed(char const* name, std::uint64_t& target);
  void side(char const* name, std::int64_t& target, std::int64_t least, std::int64_t most);
  void integer(char const* name, std::int64_t& target, std::int64_t least, std::int64_t most);
  void text_tokens(char const* name, std::int64_t& target, std::int64_t least, std::int64_t most);
  void number(char const* name, double& target, double least, double most);
  void scheduler(char const* name, std::string& target);
  void tags(char const* name, std::vector<std::string>& target);
  void json_text(char const* name, std::string& target);
  void refused(char const* name);

  ImageRecord record;
  bool has_seed = false;
  std::int64_t images = 1;
  bool good = true;
  std::size_t id_offset = 0;

 private:
  /// The field of a name, which is known from now on; null where the line has none, or a null.
  [[nodiscard]] LineField const* find(char const* name);
  void read_text(LineField const& field, std::string& target);
  void report_repeated();
  void report_unknown();

  LinePlace place_;
  RecordRules const& rules_;
  CappedProblems& problems_;
  std::vector<LineField> const* fields_ = nullptr;
  std::vector<std::string_view> known_;
};

/// What is wrong with a side that is no multiple, with the nearest sizes that are.
[[nodiscard]] std::string size_fault(std::int64_t side_px, std::int64_t multiple);

}  // namespace ditbatch::manifest
