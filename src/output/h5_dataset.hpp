#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "output/h5_handle.hpp"

namespace ditbatch {

/// Variable-length UTF-8 text, and a variable-length list of floats.
[[nodiscard]] UniqueH5Type text_type(std::string const& path);
[[nodiscard]] UniqueH5Type floats_type(std::string const& path);

/// The library's own type of a number; not to be closed.
template <class Number>
[[nodiscard]] hid_t number_type() {
  if constexpr (std::is_same_v<Number, float>)
    return H5T_NATIVE_FLOAT;
  else if constexpr (std::is_same_v<Number, std::uint8_t>)
    return H5T_NATIVE_UINT8;
  else if constexpr (std::is_same_v<Number, std::uint16_t>)
    return H5T_NATIVE_UINT16;
  else if constexpr (std::is_same_v<Number, std::int64_t>)
    return H5T_NATIVE_INT64;
  else
    return H5T_NATIVE_UINT64;
}

/// What one row of a column is.
struct RowFormat {
  hid_t type = H5I_INVALID_HID;
  std::vector<hsize_t> shape;  // of one row, without the first dimension
};

enum class Checksum { none, fletcher32 };
struct ColumnStorage {
  hsize_t chunk_rows = 1;
  int compression = 0;  // deflate level, 0 is none
  Checksum checksum = Checksum::none;
};

/// A dataset without rows that grows by rows; "group/name" makes the group.
[[nodiscard]] UniqueH5Dataset create_column(hid_t file, std::string const& path, char const* name,
                                            RowFormat const& format, ColumnStorage const& storage);
/// Opens a dataset; throws Error(io) unless its rows have this format.
[[nodiscard]] UniqueH5Dataset open_column(hid_t file, std::string const& path, char const* name,
                                          RowFormat const& format);

/// (rows, ...)
[[nodiscard]] std::vector<hsize_t> shape_of(hid_t dataset, std::string const& path);
void set_rows(hid_t dataset, std::uint64_t rows, std::string const& path);
/// Writes one row, behind the last one if there is none yet.
void write_row(hid_t dataset, std::uint64_t row, hid_t type, void const* data,
               std::string const& path);
/// Writes rows that are there.
void write_rows(hid_t dataset, std::uint64_t first, std::uint64_t count, hid_t type,
                void const* data, std::string const& path);
/// Reads `count` rows from `first` on; text and lists are the caller's to free (H5free_memory).
void read_rows(hid_t dataset, std::uint64_t first, std::uint64_t count, hid_t type, void* data,
               std::string const& path);

void write_attribute(hid_t at, std::string const& path, char const* name, std::string const& text);
void write_attribute(hid_t at, std::string const& path, char const* name, std::int32_t value);
[[nodiscard]] std::string read_text_attribute(hid_t at, std::string const& path, char const* name);
[[nodiscard]] std::int32_t read_number_attribute(hid_t at, std::string const& path,
                                                 char const* name);

}  // namespace ditbatch
