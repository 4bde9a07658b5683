#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "output/h5_handle.hpp"
#include "output/shard_row.hpp"

namespace ditbatch {

struct ShardOptions {
  int version = shard_schema_version;
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  int compression = 1;                   // deflate level of the images, 0 is none
  std::vector<std::string> phase_names;  // of phase_s, and the columns of timing_s and device_ms
  std::string models = "[]";             // JSON list of {name, family, checkpoint, dtype}
};

/// What a published image was made from.
struct PublishedRecord {
  Sha256Digest record_sha256{};
  std::uint8_t identity = 1;  // what record_sha256 is made of
  std::uint16_t session = 0;  // whose run.toml says what the hash of identity 1 leaves out
};

/// What resume, comparison and prune need of a row.
struct RowKey {
  std::string id;
  std::uint16_t index = 0;
  PublishedRecord record;
  Sha256Digest sha256{};  // of the pixels
  std::uint16_t replica = 0;
  std::int64_t finished_ns = 0;  // since 1970
};

/// An open shard: one image size, one writer, every dataset one row an image.
class ShardFile {
 public:
  /// A new file.
  static ShardFile create(std::string const& path, ShardOptions const& options);
  /// A file of this schema in any version up to ours, whatever its rows hold; anything else is an
  /// Error(io).
  static ShardFile open(std::string const& path, H5Access access);
  ShardFile(ShardFile&&) noexcept;
  ShardFile& operator=(ShardFile&&) noexcept;
  ~ShardFile();

  /// Adds a sealed row of the shard's version.
  void append(ShardRow const& row);
  /// The same, with the image taken as it is stored in a row of another shard of the same image
  /// size and compression: row.pixels do not count.
  void append_stored(ShardRow const& row, ShardFile const& from, std::uint64_t from_row);
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
  /// Gives the small columns chunks that are full, writes `complete`, flushes, closes; every return
  /// code checked. No journal is left.
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
  void append_columns(ShardRow const& row);
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
