#include "output/h5_dataset.hpp"

#include "core/error.hpp"

namespace ditbatch {

UniqueH5Type text_type(std::string const& path) {
  UniqueH5Type type(check_h5(H5Tcopy(H5T_C_S1), path));
  check_h5_status(H5Tset_size(type.get(), H5T_VARIABLE), path);
  check_h5_status(H5Tset_cset(type.get(), H5T_CSET_UTF8), path);
  return type;
}

UniqueH5Type floats_type(std::string const& path) {
  return UniqueH5Type(check_h5(H5Tvlen_create(H5T_NATIVE_FLOAT), path));
}

UniqueH5Dataset create_column(hid_t file, std::string const& path, char const* name,
                              RowFormat const& format, ColumnStorage const& storage) {
  std::vector<hsize_t> now{0}, most{H5S_UNLIMITED}, chunk{storage.chunk_rows};
  for (auto* extent : {&now, &most, &chunk})
    extent->insert(extent->end(), format.shape.begin(), format.shape.end());
  UniqueH5Space const space(
      check_h5(H5Screate_simple(static_cast<int>(now.size()), now.data(), most.data()), path));
  UniqueH5Properties const properties(check_h5(H5Pcreate(H5P_DATASET_CREATE), path));
  check_h5_status(H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data()),
                  path);
  if (storage.compression > 0)
    check_h5_status(H5Pset_deflate(properties.get(), static_cast<unsigned>(storage.compression)),
                    path);
  if (storage.checksum == Checksum::fletcher32)
    check_h5_status(H5Pset_fletcher32(properties.get()), path);
  UniqueH5Properties const link(check_h5(H5Pcreate(H5P_LINK_CREATE), path));
  check_h5_status(H5Pset_create_intermediate_group(link.get(), 1), path);
  return UniqueH5Dataset(check_h5(
      H5Dcreate2(file, name, format.type, space.get(), link.get(), properties.get(), H5P_DEFAULT),
      path));
}

// A file that somebody else made may hold anything under a column's name; a row that is larger than
// the program thinks would be read beyond the end of its memory.
UniqueH5Dataset open_column(hid_t file, std::string const& path, char const* name,
                            RowFormat const& format) {
  UniqueH5Dataset dataset(check_h5(H5Dopen2(file, name, H5P_DEFAULT), path));
  UniqueH5Type const type(check_h5(H5Dget_type(dataset.get()), path));
  std::vector<hsize_t> shape = shape_of(dataset.get(), path);
  shape.erase(shape.begin());
  require(
      shape == format.shape && H5Tequal(type.get(), format.type) > 0, ExitCode::io,
      path + ": the dataset " + name + " has another type or shape (not a shard of this version)");
  return dataset;
}

std::vector<hsize_t> shape_of(hid_t dataset, std::string const& path) {
  UniqueH5Space const space(check_h5(H5Dget_space(dataset), path));
  int const rank = H5Sget_simple_extent_ndims(space.get());
  require(rank >= 1 && rank <= 8, ExitCode::io, path + ": a dataset has no rows (not a shard)");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check_h5_status(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr), path);
  return shape;
}

void set_rows(hid_t dataset, std::uint64_t rows, std::string const& path) {
  std::vector<hsize_t> shape = shape_of(dataset, path);
  if (shape[0] == rows) return;
  shape[0] = rows;
  check_h5_status(H5Dset_extent(dataset, shape.data()), path);
}

namespace {

// Selections of some rows, in the file and in memory.
struct RowSelection {
  UniqueH5Space file;
  UniqueH5Space memory;
};

RowSelection select_rows(hid_t dataset, std::uint64_t first, std::uint64_t rows,
                         std::string const& path) {
  std::vector<hsize_t> count = shape_of(dataset, path);
  std::vector<hsize_t> start(count.size(), 0);
  start[0] = first;
  count[0] = rows;
  RowSelection selection{
      UniqueH5Space(check_h5(H5Dget_space(dataset), path)),
      UniqueH5Space(
          check_h5(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), path))};
  check_h5_status(H5Sselect_hyperslab(selection.file.get(), H5S_SELECT_SET, start.data(), nullptr,
                                      count.data(), nullptr),
                  path);
  return selection;
}

}  // namespace

void write_row(hid_t dataset, std::uint64_t row, hid_t type, void const* data,
               std::string const& path) {
  set_rows(dataset, row + 1, path);
  write_rows(dataset, row, 1, type, data, path);
}

void write_rows(hid_t dataset, std::uint64_t first, std::uint64_t count, hid_t type,
                void const* data, std::string const& path) {
  RowSelection const selection = select_rows(dataset, first, count, path);
  check_h5_status(
      H5Dwrite(dataset, type, selection.memory.get(), selection.file.get(), H5P_DEFAULT, data),
      path);
}

void read_rows(hid_t dataset, std::uint64_t first, std::uint64_t count, hid_t type, void* data,
               std::string const& path) {
  RowSelection const selection = select_rows(dataset, first, count, path);
  check_h5_status(
      H5Dread(dataset, type, selection.memory.get(), selection.file.get(), H5P_DEFAULT, data),
      path);
}

void write_attribute(hid_t at, std::string const& path, char const* name, std::string const& text) {
  UniqueH5Type const type = text_type(path);
  UniqueH5Space const space(check_h5(H5Screate(H5S_SCALAR), path));
  UniqueH5Attribute const attribute(
      check_h5(H5Acreate2(at, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), path));
  char const* value = text.c_str();
  check_h5_status(H5Awrite(attribute.get(), type.get(), &value), path);
}

void write_attribute(hid_t at, std::string const& path, char const* name, std::int32_t value) {
  UniqueH5Space const space(check_h5(H5Screate(H5S_SCALAR), path));
  UniqueH5Attribute const attribute(check_h5(
      H5Acreate2(at, name, H5T_NATIVE_INT32, space.get(), H5P_DEFAULT, H5P_DEFAULT), path));
  check_h5_status(H5Awrite(attribute.get(), H5T_NATIVE_INT32, &value), path);
}

namespace {

// One value of this type, or Error(io): more would not fit where it is read to.
UniqueH5Attribute open_attribute(hid_t at, std::string const& path, char const* name,
                                 hid_t wanted) {
  UniqueH5Attribute attribute(check_h5(H5Aopen(at, name, H5P_DEFAULT), path));
  UniqueH5Space const space(check_h5(H5Aget_space(attribute.get()), path));
  UniqueH5Type const type(check_h5(H5Aget_type(attribute.get()), path));
  require(H5Sget_simple_extent_npoints(space.get()) == 1 && H5Tequal(type.get(), wanted) > 0,
          ExitCode::io,
          path + ": the attribute " + name + " has another type (not a shard of this version)");
  return attribute;
}

}  // namespace

std::string read_text_attribute(hid_t at, std::string const& path, char const* name) {
  UniqueH5Type const type = text_type(path);
  UniqueH5Attribute const attribute = open_attribute(at, path, name, type.get());
  char* value = nullptr;
  check_h5_status(H5Aread(attribute.get(), type.get(), &value), path);
  std::string const text = value == nullptr ? "" : value;
  (void)H5free_memory(value);
  return text;
}

std::int32_t read_number_attribute(hid_t at, std::string const& path, char const* name) {
  UniqueH5Attribute const attribute = open_attribute(at, path, name, H5T_NATIVE_INT32);
  std::int32_t value = 0;
  check_h5_status(H5Aread(attribute.get(), H5T_NATIVE_INT32, &value), path);
  return value;
}

}  // namespace ditbatch
