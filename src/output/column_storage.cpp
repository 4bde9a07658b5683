#include "output/column_storage.hpp"

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "output/column_block.hpp"

namespace ditbatch {

namespace {

constexpr std::uint64_t rows_per_copy = 4096;

hsize_t chunk_rows_of(hid_t dataset, std::string const& path) {
  UniqueH5Properties const storage(check_h5(H5Dget_create_plist(dataset), path));
  std::vector<hsize_t> chunk(shape_of(dataset, path).size());
  check_h5_status(H5Pget_chunk(storage.get(), static_cast<int>(chunk.size()), chunk.data()), path);
  return chunk[0];
}

void copy_rows(char const* name, hid_t from, hid_t to, RowFormat const& format, std::uint64_t rows,
               std::string const& path) {
  std::size_t row_bytes = H5Tget_size(format.type);
  for (hsize_t const length : format.shape) row_bytes *= length;
  for (std::uint64_t first = 0; first < rows; first += rows_per_copy) {
    std::uint64_t const count = std::min(rows_per_copy, rows - first);
    ColumnBlock block(first, count);
    block.load(name, from, format.type, row_bytes, path);
    write_rows(to, first, count, format.type, block.find(name, first), path);
  }
}

}  // namespace

void copy_chunk(StoredRow const& from, StoredRow const& to) {
  std::vector<hsize_t> at(shape_of(from.dataset, from.path).size(), 0);
  at[0] = from.row;
  hsize_t bytes = 0;
  check_h5_status(H5Dget_chunk_storage_size(from.dataset, at.data(), &bytes), from.path);
  require(bytes > 0, ExitCode::io,
          from.path + ": nothing is stored of row " + std::to_string(from.row) +
              " (the shard is damaged) run ditbatch repair");
  std::vector<char> chunk(bytes);
  std::uint32_t filters = 0;
  check_h5_status(H5Dread_chunk(from.dataset, H5P_DEFAULT, at.data(), &filters, chunk.data()),
                  from.path);
  set_rows(to.dataset, to.row + 1, to.path);
  at[0] = to.row;
  check_h5_status(H5Dwrite_chunk(to.dataset, H5P_DEFAULT, filters, at.data(), bytes, chunk.data()),
                  to.path);
}

void fill_chunks(hid_t file, std::string const& path, char const* name, RowFormat const& format,
                 UniqueH5Dataset& dataset) {
  std::uint64_t const rows = shape_of(dataset.get(), path)[0];
  if (rows % chunk_rows_of(dataset.get(), path) == 0) return;
  std::string const fresh_name = std::string(name) + ".new";
  UniqueH5Dataset fresh = create_column(file, path, fresh_name.c_str(), format, {rows});
  set_rows(fresh.get(), rows, path);
  copy_rows(name, dataset.get(), fresh.get(), format, rows, path);
  check_h5_status(H5Dclose(dataset.release()), path);
  dataset = std::move(fresh);
  check_h5_status(H5Ldelete(file, name, H5P_DEFAULT), path);
  check_h5_status(H5Lmove(file, fresh_name.c_str(), file, name, H5P_DEFAULT, H5P_DEFAULT), path);
}

}  // namespace ditbatch
