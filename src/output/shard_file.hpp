#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "output/h5_handle.hpp"
#include "output/shard_row.hpp"

namespace ditbatch {

inline constexpr int shard_schema_version = 1;

struct ShardOptions {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  int compression = 1;                   // deflate level of the images, 0 is none
  std::vector<std::string> phase_names;  // columns of timing_s and device_ms
};

/// What resume and comparison need of a row.
struct RowKey {
  std::string id;
  std::uint16_t index = 0;
  Sha256Digest record_sha256{};
  Sha256Digest sha256{};  // of the pixels
};

/// An open shard: one image size, one writer, every root dataset one row an image.
class ShardFile {
 public:
  /// A new file.
  static ShardFile create(std::string const& path, ShardOptions const& options);
  /// A file of this schema, whatever its rows hold; anything else is an Error(io).
  static ShardFile open(std::string const& path, H5Access access);
  ShardFile(ShardFile&&) noexcept;
  ShardFile& operator=(ShardFile&&) noexcept;
  ~ShardFile();

  /// Adds a sealed row.
  void append(ShardRow const& row);
  enum class Part { columns, everything };
  /// Reads a row back; `columns` leaves the pixels out.
  [[nodiscard]] ShardRow read(std::uint64_t row, Part part) const;
  /// The keys of all rows, read in large blocks.
  [[nodiscard]] std::vector<RowKey> read_keys() const;
  /// Cuts the file to its first rows.
  void truncate(std::uint64_t rows);
  /// Makes the rows durable. A flush happens as a whole or not at all: one that is cut off leaves
  /// the rows of the last one.
  void flush();
  /// Writes `complete`, flushes, closes; every return code checked. No journal is left.
  void finish();

  /// Rows that every column has.
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  /// Whether no column has more rows; those of a file that was cut off may.
  [[nodiscard]] bool is_even() const { return is_even_; }
  [[nodiscard]] bool is_complete() const;
  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] ShardOptions const& options() const { return options_; }
  [[nodiscard]] std::int64_t width_px() const { return options_.width_px; }
  [[nodiscard]] std::int64_t height_px() const { return options_.height_px; }

 private:
  ShardFile();
  void open_datasets();
  [[nodiscard]] ShardRow read_columns(std::uint64_t row) const;
  [[nodiscard]] hid_t dataset(std::string const& name) const;
  [[nodiscard]] std::size_t image_bytes() const {
    return static_cast<std::size_t>(options_.width_px * options_.height_px * 3);
  }

  std::string path_;
  UniqueH5File file_;
  std::map<std::string, UniqueH5Dataset> datasets_;
  ShardOptions options_;
  std::uint64_t rows_ = 0;
  bool is_even_ = true;
  struct Block;
  mutable std::unique_ptr<Block> block_;
};

}  // namespace ditbatch
