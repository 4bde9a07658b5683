#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/problem.hpp"
#include "manifest/image_record.hpp"
#include "manifest/manifest_line.hpp"
#include "manifest/read_manifest.hpp"

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
class RecordReader {
 public:
  /// `defaults` is what the record is before its line is read. The other arguments must outlive the
  /// reader.
  RecordReader(LinePlace const& place, ModelLimits const& limits, ImageRecord const& defaults,
               CappedProblems& problems);

  void read(std::vector<LineField> const& fields);
  /// Adds a problem at a byte of the line.
  void fault(std::size_t offset, std::string const& field, std::string const& text);

  ImageRecord record;
  std::optional<std::uint64_t> seed;
  std::int64_t images = 1;
  bool good = true;
  std::size_t id_offset = 0;

 private:
  struct Rule;
  static std::vector<Rule> const& rules();

  void read_field(LineField const& field);
  void read_id(LineValue const& value);
  void read_text(LineField const& field, std::string& target);
  void read_seed(LineValue const& value);
  void read_integer(LineField const& field, std::int64_t& target, std::int64_t least,
                    std::int64_t most);
  void read_side(LineField const& field, std::int64_t& target);
  void read_number(LineField const& field, double& target);
  void read_scheduler(LineValue const& value);
  void read_tags(LineValue const& value);

  LinePlace place_;
  ModelLimits const& limits_;
  CappedProblems& problems_;
};

/// What is wrong with a side that is no multiple, with the nearest sizes that are.
[[nodiscard]] std::string size_fault(std::int64_t side_px, std::int64_t multiple);

}  // namespace ditbatch::manifest
