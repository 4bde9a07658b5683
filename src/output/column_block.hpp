#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "output/h5_handle.hpp"

namespace ditbatch {

/// Some rows of a shard's columns as HDF5 gives them, each column read at once when its first value
/// is asked for: a call a row and column costs more than the hashes of a small image.
class ColumnBlock {
 public:
  ColumnBlock(std::uint64_t first, std::uint64_t rows) : first_(first), rows_(rows) {}
  ColumnBlock(ColumnBlock const&) = delete;
  ColumnBlock& operator=(ColumnBlock const&) = delete;
  ~ColumnBlock();

  [[nodiscard]] bool holds(std::uint64_t row) const {
    return row >= first_ && row - first_ < rows_;
  }
  /// The value of a row that the block holds, null before load(); texts and lists stay the block's.
  [[nodiscard]] void const* find(char const* name, std::uint64_t row) const;
  /// Reads a column, `row_bytes` of memory of `type` a row. Throws Error(io) where any of its rows
  /// cannot be read.
  void load(char const* name, hid_t dataset, hid_t type, std::size_t row_bytes,
            std::string const& path);

 private:
  struct Column {
    UniqueH5Type type;
    std::size_t row_bytes = 0;
    std::vector<std::byte> values;
  };
  std::uint64_t first_, rows_;
  std::map<std::string, Column> columns_;
};

}  // namespace ditbatch
