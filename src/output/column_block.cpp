#include "output/column_block.hpp"

#include "output/h5_dataset.hpp"

namespace ditbatch {

ColumnBlock::~ColumnBlock() {
  hsize_t const rows = rows_;
  UniqueH5Space const space(H5Screate_simple(1, &rows, nullptr));
  for (auto& [name, column] : columns_) {
    if (H5Tdetect_class(column.type.get(), H5T_VLEN) > 0 ||
        H5Tis_variable_str(column.type.get()) > 0) {
      (void)H5Dvlen_reclaim(column.type.get(), space.get(), H5P_DEFAULT, column.values.data());
    }
  }
}

void const* ColumnBlock::value(char const* name, hid_t dataset, hid_t type, std::size_t row_bytes,
                               std::uint64_t row, std::string const& path) {
  auto found = columns_.find(name);
  if (found == columns_.end()) {
    // Zeros: what a failed read leaves of texts and lists can be given back.
    found = columns_.emplace(name, Column{}).first;
    found->second.type = UniqueH5Type(check_h5(H5Tcopy(type), path));
    found->second.values.resize(row_bytes * rows_);
    read_rows(dataset, first_, rows_, type, found->second.values.data(), path);
  }
  return found->second.values.data() + (row - first_) * row_bytes;
}

}  // namespace ditbatch
