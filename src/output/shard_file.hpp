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

/// An open shard: one image size, one writer, every root dataset one row an image.
class ShardFile {
 public:
  /// A new file.
  static ShardFile create(std::string const& path, ShardOptions const& options);
  static ShardFile open(std::string const& path, H5Access access);
  ShardFile(ShardFile&&) noexcept = default;
  ShardFile& operator=(ShardFile&&) noexcept = default;
  ~ShardFile();

  /// Adds a sealed row.
  void append(ShardRow const& row);
  enum class Part { columns, everything };
  /// Reads a row back; `columns` leaves the pixels out.
  [[nodiscard]] ShardRow read(std::uint64_t row, Part part) const;
  /// Cuts the file to its first rows.
  void truncate(std::uint64_t rows);
  void flush();
  /// Writes `complete`, flushes, closes; every return code checked.
  void finish();

  /// Rows that every column has; columns of a file that was cut off may have more.
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] bool is_complete() const;
  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::int64_t width_px() const { return width_px_; }
  [[nodiscard]] std::int64_t height_px() const { return height_px_; }

 private:
  ShardFile() = default;
  void open_datasets();
  [[nodiscard]] hid_t dataset(std::string const& name) const;

  std::string path_;
  UniqueH5File file_;
  std::map<std::string, UniqueH5Dataset> datasets_;
  std::uint64_t rows_ = 0;
  std::int64_t width_px_ = 0;
  std::int64_t height_px_ = 0;
};

}  // namespace ditbatch
