#pragma once

#include <cstdint>
#include <string>

#include "output/h5_dataset.hpp"

namespace ditbatch {

/// One row of a column of an open file.
struct StoredRow {
  hid_t dataset = H5I_INVALID_HID;
  std::uint64_t row = 0;
  std::string const& path;  // of the file, for messages
};

/// Copies a row that is a chunk by itself as it is stored, with its filters, behind the last row of
/// a column of the same format and storage.
void copy_chunk(StoredRow const& from, StoredRow const& to);

/// Rewrites a growing column that leaves a part of its last chunk unused as one chunk: pyfive reads
/// texts from full chunks alone. `dataset` is opened anew then. The old chunks stay in the file as
/// unused space, so this is for columns that are small beside the images.
void fill_chunks(hid_t file, std::string const& path, char const* name, RowFormat const& format,
                 UniqueH5Dataset& dataset);

}  // namespace ditbatch
