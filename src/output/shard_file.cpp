#include "output/shard_file.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>

#include "core/build_info.hpp"
#include "core/error.hpp"

namespace ditbatch {

namespace {

constexpr hsize_t rows_per_chunk = 256;
constexpr char const* images_name = "images";

UniqueH5Type text_type(std::string const& path) {
  UniqueH5Type type(check_h5(H5Tcopy(H5T_C_S1), path));
  check_h5_status(H5Tset_size(type.get(), H5T_VARIABLE), path);
  check_h5_status(H5Tset_cset(type.get(), H5T_CSET_UTF8), path);
  return type;
}

UniqueH5Type floats_type(std::string const& path) {
  return UniqueH5Type(check_h5(H5Tvlen_create(H5T_NATIVE_FLOAT), path));
}

template <class Number>
hid_t number_type() {
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

// A dataset of rows of one shape, that grows by rows.
UniqueH5Dataset create_column(hid_t file, std::string const& path, char const* name, hid_t type,
                              std::vector<hsize_t> row_shape, hsize_t chunk_rows, int compression,
                              bool checksum) {
  std::vector<hsize_t> now{0}, most{H5S_UNLIMITED}, chunk{chunk_rows};
  for (auto* extent : {&now, &most, &chunk})
    extent->insert(extent->end(), row_shape.begin(), row_shape.end());
  UniqueH5Space const space(
      check_h5(H5Screate_simple(static_cast<int>(now.size()), now.data(), most.data()), path));
  UniqueH5Properties const properties(check_h5(H5Pcreate(H5P_DATASET_CREATE), path));
  check_h5_status(H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data()),
                  path);
  if (compression > 0)
    check_h5_status(H5Pset_deflate(properties.get(), static_cast<unsigned>(compression)), path);
  if (checksum) check_h5_status(H5Pset_fletcher32(properties.get()), path);
  return UniqueH5Dataset(check_h5(
      H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), path));
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

std::vector<hsize_t> shape_of(hid_t dataset, std::string const& path) {
  UniqueH5Space const space(check_h5(H5Dget_space(dataset), path));
  int const rank = H5Sget_simple_extent_ndims(space.get());
  require(rank >= 1 && rank <= 8, ExitCode::io, path + ": a dataset has no rows (not a shard)");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check_h5_status(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr), path);
  return shape;
}

// Selections of one row, in the file and in memory.
struct RowSelection {
  UniqueH5Space file;
  UniqueH5Space memory;
};

RowSelection select_row(hid_t dataset, std::uint64_t row, std::string const& path) {
  std::vector<hsize_t> count = shape_of(dataset, path);
  std::vector<hsize_t> start(count.size(), 0);
  start[0] = row;
  count[0] = 1;
  RowSelection selection{
      UniqueH5Space(check_h5(H5Dget_space(dataset), path)),
      UniqueH5Space(
          check_h5(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), path))};
  check_h5_status(H5Sselect_hyperslab(selection.file.get(), H5S_SELECT_SET, start.data(), nullptr,
                                      count.data(), nullptr),
                  path);
  return selection;
}

void write_row(hid_t dataset, std::uint64_t row, hid_t type, void const* data,
               std::string const& path) {
  std::vector<hsize_t> shape = shape_of(dataset, path);
  shape[0] = row + 1;
  check_h5_status(H5Dset_extent(dataset, shape.data()), path);
  RowSelection const selection = select_row(dataset, row, path);
  check_h5_status(
      H5Dwrite(dataset, type, selection.memory.get(), selection.file.get(), H5P_DEFAULT, data),
      path);
}

void read_row(hid_t dataset, std::uint64_t row, hid_t type, void* data, std::string const& path) {
  RowSelection const selection = select_row(dataset, row, path);
  check_h5_status(
      H5Dread(dataset, type, selection.memory.get(), selection.file.get(), H5P_DEFAULT, data),
      path);
}

struct Creator {
  hid_t file;
  std::string const& path;
  std::map<std::string, UniqueH5Dataset>& made;
  void add(char const* name, hid_t type, std::vector<hsize_t> shape) {
    made.emplace(name,
                 create_column(file, path, name, type, std::move(shape), rows_per_chunk, 0, false));
  }
  void text(char const* name, std::string const&) { add(name, text_type(path).get(), {}); }
  template <class Number>
  void number(char const* name, Number) {
    add(name, number_type<Number>(), {});
  }
  void digest(char const* name, Sha256Digest const&) { add(name, H5T_NATIVE_UINT8, {32}); }
  void floats(char const* name, std::vector<float> const&) {
    add(name, floats_type(path).get(), {});
  }
};

struct Writer {
  std::function<hid_t(char const*)> dataset;
  std::uint64_t row;
  std::string const& path;
  void text(char const* name, std::string const& value) {
    char const* pointer = value.c_str();
    write_row(dataset(name), row, text_type(path).get(), &pointer, path);
  }
  template <class Number>
  void number(char const* name, Number value) {
    write_row(dataset(name), row, number_type<Number>(), &value, path);
  }
  void digest(char const* name, Sha256Digest const& value) {
    write_row(dataset(name), row, H5T_NATIVE_UINT8, value.data(), path);
  }
  void floats(char const* name, std::vector<float> const& value) {
    hvl_t const list{value.size(), const_cast<float*>(value.data())};
    write_row(dataset(name), row, floats_type(path).get(), &list, path);
  }
};

// Calls a function with the name of each column.
struct NameVisitor {
  std::function<void(char const*)> call;
  void text(char const* name, std::string const&) { call(name); }
  template <class Number>
  void number(char const* name, Number) {
    call(name);
  }
  void digest(char const* name, Sha256Digest const&) { call(name); }
  void floats(char const* name, std::vector<float> const&) { call(name); }
};

struct Reader {
  std::function<hid_t(char const*)> dataset;
  std::uint64_t row;
  std::string const& path;
  void text(char const* name, std::string& value) {
    char* pointer = nullptr;
    read_row(dataset(name), row, text_type(path).get(), &pointer, path);
    if (pointer != nullptr) value = pointer;
    (void)H5free_memory(pointer);
  }
  template <class Number>
  void number(char const* name, Number& value) {
    read_row(dataset(name), row, number_type<Number>(), &value, path);
  }
  void digest(char const* name, Sha256Digest& value) {
    read_row(dataset(name), row, H5T_NATIVE_UINT8, value.data(), path);
  }
  void floats(char const* name, std::vector<float>& value) {
    hvl_t list{0, nullptr};
    read_row(dataset(name), row, floats_type(path).get(), &list, path);
    auto const* first = static_cast<float const*>(list.p);
    value.assign(first, first + list.len);
    (void)H5free_memory(list.p);
  }
};

}  // namespace

ShardFile::~ShardFile() = default;

hid_t ShardFile::dataset(std::string const& name) const {
  auto const found = datasets_.find(name);
  require(found != datasets_.end(), ExitCode::io,
          path_ + ": has no dataset " + name + " (not a shard of this version)");
  return found->second.get();
}

ShardFile ShardFile::create(std::string const& path, ShardOptions const& options) {
  ShardFile shard;
  shard.path_ = path;
  shard.width_px_ = options.width_px;
  shard.height_px_ = options.height_px;
  shard.file_ = create_h5(path);
  hid_t const file = shard.file_.get();
  std::vector<hsize_t> const image{static_cast<hsize_t>(options.height_px),
                                   static_cast<hsize_t>(options.width_px), 3};
  // One image a chunk: it is compressed and checked alone. No shuffle, the values are single bytes.
  auto& images = shard.datasets_[images_name];
  images =
      create_column(file, path, images_name, H5T_NATIVE_UINT8, image, 1, options.compression, true);
  write_attribute(images.get(), path, "encoding", "raw");
  Creator creator{file, path, shard.datasets_};
  ShardRow const blank;
  visit_columns(blank, creator);
  creator.digest("row_sha256", {});

  std::string phases;
  for (std::string const& name : options.phase_names) phases += (phases.empty() ? "" : ",") + name;
  write_attribute(file, path, "schema", "ditbatch shard");
  write_attribute(file, path, "schema_version", shard_schema_version);
  write_attribute(file, path, "software", "ditbatch");
  write_attribute(file, path, "softwareVersion", build_info::version);
  write_attribute(file, path, "git_revision", build_info::git_revision);
  write_attribute(file, path, "phases", phases);
  return shard;
}

ShardFile ShardFile::open(std::string const& path, H5Access access) {
  ShardFile shard;
  shard.path_ = path;
  shard.file_ = open_h5(path, access);
  shard.open_datasets();
  return shard;
}

void ShardFile::open_datasets() {
  rows_ = std::numeric_limits<std::uint64_t>::max();
  auto const open = [&](char const* name) {
    datasets_[name] = UniqueH5Dataset(check_h5(H5Dopen2(file_.get(), name, H5P_DEFAULT), path_));
    rows_ = std::min<std::uint64_t>(rows_, shape_of(datasets_[name].get(), path_)[0]);
  };
  ShardRow const blank;
  visit_columns(blank, NameVisitor{open});
  open("row_sha256");
  open(images_name);
  std::vector<hsize_t> const shape = shape_of(datasets_[images_name].get(), path_);
  require(shape.size() == 4 && shape[3] == 3, ExitCode::io,
          path_ + ": images are not (N, H, W, 3) (not a shard)");
  height_px_ = static_cast<std::int64_t>(shape[1]);
  width_px_ = static_cast<std::int64_t>(shape[2]);
}

void ShardFile::append(ShardRow const& row) {
  ensure(row.pixels.size() == static_cast<std::size_t>(width_px_ * height_px_ * 3),
         "a row has the shard's image size");
  errno = 0;
  Writer writer{[this](char const* name) { return dataset(name); }, rows_, path_};
  write_row(dataset(images_name), rows_, H5T_NATIVE_UINT8, row.pixels.data(), path_);
  visit_columns(row, writer);
  writer.digest("row_sha256", row.row_sha256);
  rows_ += 1;
}

ShardRow ShardFile::read(std::uint64_t row, Part part) const {
  ShardRow read;
  Reader reader{[this](char const* name) { return dataset(name); }, row, path_};
  visit_columns(read, reader);
  reader.digest("row_sha256", read.row_sha256);
  if (part == Part::everything) {
    read.pixels.resize(static_cast<std::size_t>(width_px_ * height_px_ * 3));
    read_row(dataset(images_name), row, H5T_NATIVE_UINT8, read.pixels.data(), path_);
  }
  return read;
}

void ShardFile::truncate(std::uint64_t rows) {
  for (auto const& [name, handle] : datasets_) {
    std::vector<hsize_t> shape = shape_of(handle.get(), path_);
    shape[0] = rows;
    check_h5_status(H5Dset_extent(handle.get(), shape.data()), path_);
  }
  rows_ = rows;
}

void ShardFile::flush() {
  errno = 0;
  flush_h5(file_.get(), path_);
}

bool ShardFile::is_complete() const { return H5Aexists(file_.get(), "complete") > 0; }

void ShardFile::finish() {
  errno = 0;
  if (!is_complete()) write_attribute(file_.get(), path_, "complete", 1);
  flush();
  // The flush has written everything; H5Fclose reports success even after a failed write.
  for (auto& [name, handle] : datasets_) check_h5_status(H5Dclose(handle.release()), path_);
  datasets_.clear();
  check_h5_status(H5Fclose(file_.release()), path_);
}

}  // namespace ditbatch
