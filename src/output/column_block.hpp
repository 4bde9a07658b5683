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
  /// The value of a row that the block holds: `row_bytes` of memory of `type`; texts and lists stay
  /// the block's. Throws Error(io) where any of its rows cannot be read.
  [[nodiscard]] void const* value(char const* name, hid_t dataset, hid_t type,
                                  std::size_t row_bytes, std::uint64_t row,
                                  std::string const& path);

 private:
  struct Column {
    UniqueH5Type type;
    std::vector<std::byte> values;
  };
  std::uint64_t first_, rows_;
  std::map<std::string, Column> columns_;
};

}  // namespace ditbatch
