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

void const* ColumnBlock::find(char const* name, std::uint64_t row) const {
  auto const column = columns_.find(name);
  return column == columns_.end()
             ? nullptr
             : column->second.values.data() + (row - first_) * column->second.row_bytes;
}

void ColumnBlock::load(char const* name, hid_t dataset, hid_t type, std::size_t row_bytes,
                       std::string const& path) {
  // Zeros: what a failed read leaves of texts and lists can be given back.
  Column& column = columns_[name];
  column.type = UniqueH5Type(check_h5(H5Tcopy(type), path));
  column.row_bytes = row_bytes;
  column.values.resize(row_bytes * rows_);
  read_rows(dataset, first_, rows_, type, column.values.data(), path);
}

}  // namespace ditbatch
