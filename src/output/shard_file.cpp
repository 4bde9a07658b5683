#include "output/shard_file.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>
#include <sstream>
#include <utility>

#include "core/error.hpp"
#include "output/column_block.hpp"
#include "output/column_storage.hpp"
#include "output/h5_dataset.hpp"
#include "output/shard_attributes.hpp"

namespace ditbatch {

namespace {

constexpr hsize_t rows_per_chunk = 256;
constexpr std::uint64_t rows_per_read = 4096;
constexpr std::uint64_t max_image_px = std::numeric_limits<std::uint16_t>::max();
constexpr char const* images_name = images_column;
constexpr char const* row_hash_name = row_hash_column;

RowFormat digest_format() { return {H5T_NATIVE_UINT8, {sizeof(Sha256Digest)}}; }

// Calls a function with the name and format of each column.
struct FormatVisitor {
  std::function<void(char const*, RowFormat const&)> call;
  std::string const& path;
  hsize_t phase_count;
  void text(char const* name, std::string const&) { call(name, {text_type(path).get(), {}}); }
  template <class Number>
  void number(char const* name, Number) {
    call(name, {number_type<Number>(), {}});
  }
  void digest(char const* name, Sha256Digest const&) const { call(name, digest_format()); }
  void counts(char const* name, EncoderCounts const& counts) const {
    call(name, {H5T_NATIVE_UINT16, {counts.size()}});
  }
  void phases(char const* name, std::vector<float> const&) {
    call(name, {H5T_NATIVE_FLOAT, {phase_count}});
  }
  void floats(char const* name, std::vector<float> const&) {
    call(name, {floats_type(path).get(), {}});
  }
};

// Every column of the shard's version but the images.
void for_each_column(std::string const& path, ShardOptions const& options,
                     std::function<void(char const*, RowFormat const&)> const& call) {
  ShardRow blank;
  blank.version = options.version;
  visit_columns(blank, FormatVisitor{call, path, options.phase_names.size()});
  call(row_hash_name, digest_format());
}

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
  void counts(char const* name, EncoderCounts const& value) {
    write_row(dataset(name), row, H5T_NATIVE_UINT16, value.data(), path);
  }
  void phases(char const* name, std::vector<float> const& value) {
    write_row(dataset(name), row, H5T_NATIVE_FLOAT, value.data(), path);
  }
  void floats(char const* name, std::vector<float> const& value) {
    std::vector<float> values = value;  // HDF5 asks for what it could change
    hvl_t const list{values.size(), values.data()};
    write_row(dataset(name), row, floats_type(path).get(), &list, path);
  }
};

struct Reader {
  std::function<hid_t(char const*)> dataset;
  ColumnBlock& block;
  std::uint64_t row;
  std::string const& path;
  std::size_t phase_count;
  template <class Value, class MakeType>
  [[nodiscard]] Value const* values(char const* name, MakeType const& type, std::size_t count) {
    void const* found = block.find(name, row);
    if (found == nullptr) {
      block.load(name, dataset(name), type(), count * sizeof(Value), path);
      found = block.find(name, row);
    }
    return static_cast<Value const*>(found);
  }
  template <class Value, class MakeType>
  [[nodiscard]] Value const& value(char const* name, MakeType const& type) {
    return *values<Value>(name, type, 1);
  }
  void text(char const* name, std::string& text) {
    UniqueH5Type made;
    char const* const read = value<char*>(name, [&] { return (made = text_type(path)).get(); });
    if (read != nullptr) text = read;
  }
  template <class Number>
  void number(char const* name, Number& number) {
    number = value<Number>(name, number_type<Number>);
  }
  void digest(char const* name, Sha256Digest& digest) {
    digest = value<Sha256Digest>(name, number_type<std::uint8_t>);
  }
  void counts(char const* name, EncoderCounts& counts) {
    counts = value<EncoderCounts>(name, number_type<std::uint16_t>);
  }
  void phases(char const* name, std::vector<float>& phases) {
    auto const* first = values<float>(name, number_type<float>, phase_count);
    phases.assign(first, first + phase_count);
  }
  void floats(char const* name, std::vector<float>& floats) {
    UniqueH5Type made;
    auto const& list = value<hvl_t>(name, [&] { return (made = floats_type(path)).get(); });
    auto const* first = static_cast<float const*>(list.p);
    floats.assign(first, first + list.len);
  }
};

}  // namespace

// The rows that were read last.
struct ShardFile::Block {
  Block(std::uint64_t first, std::uint64_t count) : rows(first, count) {}
  ColumnBlock rows;
  bool is_readable = true;
};

ShardFile::ShardFile() = default;
ShardFile::ShardFile(ShardFile&&) noexcept = default;
ShardFile& ShardFile::operator=(ShardFile&&) noexcept = default;
ShardFile::~ShardFile() = default;

hid_t ShardFile::dataset(std::string const& name) const { return datasets_.at(name).get(); }

ShardFile ShardFile::create(std::string const& path, ShardOptions const& options) {
  ensure(!options.phase_names.empty(), "a shard has phases");
  ShardFile shard;
  shard.path_ = path;
  shard.options_ = options;
  shard.file_ = create_h5(path);
  hid_t const file = shard.file_.get();
  // One image a chunk: it is compressed and checked alone. No shuffle, the values are single bytes.
  RowFormat const image{
      H5T_NATIVE_UINT8,
      {static_cast<hsize_t>(options.height_px), static_cast<hsize_t>(options.width_px), 3}};
  UniqueH5Dataset& images = shard.datasets_[images_name];
  images =
      create_column(file, path, images_name, image, {1, options.compression, Checksum::fletcher32});
  write_attribute(images.get(), path, encoding_attribute, "raw");
  for_each_column(path, options, [&](char const* name, RowFormat const& format) {
    shard.datasets_[name] = create_column(file, path, name, format, {rows_per_chunk});
  });

  visit_attributes(options, [&](char const* name, auto const& value) {
    write_attribute(file, path, name, value);
  });
  return shard;
}

ShardFile ShardFile::open(std::string const& path, H5Access access) {
  ShardFile shard;
  shard.path_ = path;
  shard.file_ = open_h5(path, access);
  int& version = shard.options_.version;
  version = read_number_attribute(shard.file_.get(), path, "schema_version");
  require(version >= 1 && version <= shard_schema_version, ExitCode::io,
          path + ": is a shard of version " + std::to_string(version) +
              " (this program reads up to " + std::to_string(shard_schema_version) +
              ") use ditbatch of version " +
              read_text_attribute(shard.file_.get(), path, "softwareVersion") + " or newer");
  std::istringstream phases(read_text_attribute(shard.file_.get(), path, "phases"));
  for (std::string name; std::getline(phases, name, ',');)
    shard.options_.phase_names.push_back(name);
  if (version >= 2) shard.options_.models = read_text_attribute(shard.file_.get(), path, "models");
  shard.open_datasets();
  return shard;
}

void ShardFile::open_datasets() {
  rows_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t most_rows = 0;
  auto const count = [&](char const* name) {
    std::uint64_t const rows = shape_of(dataset(name), path_)[0];
    rows_ = std::min(rows_, rows);
    most_rows = std::max(most_rows, rows);
  };
  for_each_column(path_, options_, [&](char const* name, RowFormat const& format) {
    datasets_[name] = open_column(file_.get(), path_, name, format);
    count(name);
  });
  UniqueH5Dataset& images = datasets_[images_name];
  images = UniqueH5Dataset(check_h5(H5Dopen2(file_.get(), images_name, H5P_DEFAULT), path_));
  std::vector<hsize_t> const shape = shape_of(images.get(), path_);
  require(shape.size() == 4 && shape[3] == 3 && shape[1] - 1 < max_image_px &&
              shape[2] - 1 < max_image_px,
          ExitCode::io, path_ + ": images are not (N, H, W, 3) (not a shard)");
  images = open_column(file_.get(), path_, images_name,
                       {H5T_NATIVE_UINT8, {shape[1], shape[2], shape[3]}});
  count(images_name);
  // A file that was cut off, or a forged one, may claim rows that nothing is stored of.
  rows_ = std::min<std::uint64_t>(
      rows_, H5Dget_storage_size(dataset(row_hash_name)) / sizeof(Sha256Digest));
  is_even_ = rows_ == most_rows;

  options_.height_px = static_cast<std::int64_t>(shape[1]);
  options_.width_px = static_cast<std::int64_t>(shape[2]);
  UniqueH5Properties const storage(check_h5(H5Dget_create_plist(images.get()), path_));
  unsigned flags = 0;
  unsigned level = 0;
  std::size_t levels = 1;
  bool const deflated = H5Pget_filter_by_id2(storage.get(), H5Z_FILTER_DEFLATE, &flags, &levels,
                                             &level, 0, nullptr, nullptr) >= 0;
  options_.compression = deflated ? static_cast<int>(level) : 0;
}

void ShardFile::append(ShardRow const& row) {
  ensure(row.pixels.size() == image_bytes(), "a row has the shard's image size");
  errno = 0;
  write_row(dataset(images_name), rows_, H5T_NATIVE_UINT8, row.pixels.data(), path_);
  append_columns(row);
}

void ShardFile::append_stored(ShardRow const& row, ShardFile const& from, std::uint64_t from_row) {
  ensure(from.image_bytes() == image_bytes() && from.options_.compression == options_.compression,
         "a stored image has the shard's size and compression");
  errno = 0;
  copy_chunk({from.dataset(images_name), from_row, from.path_},
             {dataset(images_name), rows_, path_});
  append_columns(row);
}

void ShardFile::append_columns(ShardRow const& row) {
  ensure(row.width == options_.width_px && row.height == options_.height_px &&
             row.version == options_.version &&
             (row.version == 1 || row.phase_s.size() == options_.phase_names.size()),
         "a row has the shard's image size, version and phases");
  block_.reset();
  Writer writer{[this](char const* name) { return dataset(name); }, rows_, path_};
  visit_columns(row, writer);
  writer.digest(row_hash_name, row.row_sha256);
  rows_ += 1;
}

ShardRow ShardFile::read(std::uint64_t row, Part part) const {
  errno = 0;
  ShardRow read = read_columns(row);
  if (part == Part::everything) {
    read.pixels.resize(image_bytes());
    read_rows(dataset(images_name), row, 1, H5T_NATIVE_UINT8, read.pixels.data(), path_);
  }
  return read;
}

ShardRow ShardFile::read_columns(std::uint64_t row) const {
  auto const read_from = [this, row](ColumnBlock& block) {
    ShardRow read;
    read.version = options_.version;
    Reader reader{[this](char const* name) { return dataset(name); }, block, row, path_,
                  options_.phase_names.size()};
    visit_columns(read, reader);
    reader.digest(row_hash_name, read.row_sha256);
    return read;
  };
  if (!block_ || !block_->rows.holds(row)) {
    block_ = std::make_unique<Block>(row, std::min<std::uint64_t>(rows_per_chunk, rows_ - row));
  }
  if (block_->is_readable) {
    try {
      return read_from(block_->rows);
    } catch (Error const&) {  // of any of its rows: they are read one by one
      block_->is_readable = false;
    }
  }
  ColumnBlock alone(row, 1);
  return read_from(alone);
}

std::vector<RowKey> ShardFile::read_keys() const {
  std::vector<RowKey> keys(rows_);
  errno = 0;
  UniqueH5Type const text = text_type(path_);
  for (std::uint64_t first = 0; first < rows_; first += rows_per_read) {
    std::uint64_t const count = std::min(rows_per_read, rows_ - first);
    std::vector<char*> ids(count, nullptr);
    std::vector<std::uint16_t> indices(count), sessions(count), replicas(count);
    std::vector<std::int64_t> finished_ns(count);
    std::vector<std::uint8_t> identities(count, 1);
    std::vector<Sha256Digest> records(count), pixels(count);
    read_rows(dataset("index"), first, count, H5T_NATIVE_UINT16, indices.data(), path_);
    read_rows(dataset("session"), first, count, H5T_NATIVE_UINT16, sessions.data(), path_);
    read_rows(dataset("replica"), first, count, H5T_NATIVE_UINT16, replicas.data(), path_);
    read_rows(dataset("finished_ns"), first, count, H5T_NATIVE_INT64, finished_ns.data(), path_);
    if (options_.version >= 2)
      read_rows(dataset("identity"), first, count, H5T_NATIVE_UINT8, identities.data(), path_);
    read_rows(dataset("record_sha256"), first, count, H5T_NATIVE_UINT8, records.data(), path_);
    read_rows(dataset("sha256"), first, count, H5T_NATIVE_UINT8, pixels.data(), path_);
    read_rows(dataset("id"), first, count, text.get(), ids.data(), path_);
    for (std::uint64_t i = 0; i < count; ++i) {
      keys[first + i] = {ids[i] == nullptr ? "" : ids[i],
                         indices[i],
                         {records[i], identities[i], sessions[i]},
                         pixels[i],
                         replicas[i],
                         finished_ns[i]};
      (void)H5free_memory(ids[i]);
    }
  }
  return keys;
}

void ShardFile::truncate(std::uint64_t rows) {
  errno = 0;
  block_.reset();
  for (auto const& [name, handle] : datasets_) set_rows(handle.get(), rows, path_);
  rows_ = rows;
  is_even_ = true;
}

void ShardFile::flush() {
  errno = 0;
  flush_h5(file_.get(), path_);
}

bool ShardFile::is_complete() const {
  return H5Aexists(file_.get(), complete_attribute) > 0 &&
         read_number_attribute(file_.get(), path_, complete_attribute) == 1;
}

void ShardFile::finish() {
  errno = 0;
  for_each_column(path_, options_, [&](char const* name, RowFormat const& format) {
    fill_chunks(file_.get(), path_, name, format, datasets_[name]);
  });
  if (!is_complete()) write_attribute(file_.get(), path_, complete_attribute, 1);
  flush();
  for (auto& [name, handle] : datasets_) check_h5_status(H5Dclose(handle.release()), path_);
  datasets_.clear();
  close_h5(std::move(file_), path_);
}

}  // namespace ditbatch
