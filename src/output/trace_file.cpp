#include "output/trace_file.hpp"

#include <cstdlib>

#include "core/error.hpp"
#include "output/h5_dataset.hpp"
#include "output/h5_handle.hpp"

namespace ditbatch {

namespace {

constexpr char const* offset_name = "steady_to_unix_ns";

std::vector<std::string> read_texts(hid_t file, std::string const& path, char const* name,
                                    std::uint64_t rows) {
  UniqueH5Type const type = text_type(path);
  UniqueH5Dataset const column = open_column(file, path, name, {type.get(), {}});
  require(shape_of(column.get(), path) == std::vector<hsize_t>{rows}, ExitCode::io,
          path + ": its columns differ in length (none of ours) name a trace file");
  std::vector<char*> read(rows, nullptr);
  if (rows > 0) read_rows(column.get(), 0, rows, type.get(), read.data(), path);
  std::vector<std::string> texts;
  for (char* text : read) {
    texts.emplace_back(text != nullptr ? text : "");
    H5free_memory(text);
  }
  return texts;
}

template <class Number>
std::vector<Number> read_numbers(hid_t file, std::string const& path, char const* name) {
  UniqueH5Dataset const column = open_column(file, path, name, {number_type<Number>(), {}});
  std::vector<Number> numbers(shape_of(column.get(), path).front());
  if (!numbers.empty())
    read_rows(column.get(), 0, numbers.size(), number_type<Number>(), numbers.data(), path);
  return numbers;
}

void write_column(hid_t file, std::string const& path, char const* name, hid_t type, hsize_t rows,
                  void const* data) {
  UniqueH5Space const space(check_h5(H5Screate_simple(1, &rows, nullptr), path));
  UniqueH5Dataset column(check_h5(
      H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), path));
  if (rows > 0)
    check_h5_status(H5Dwrite(column.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), path);
  // Small columns reach the file only now: a destructor would hide that they do not.
  check_h5_status(H5Dclose(column.release()), path);
}

}  // namespace

void write_trace_file(std::string const& path, std::vector<Span> const& spans) {
  std::vector<char const*> names, ids;
  std::vector<std::int64_t> begins, ends;
  std::vector<std::uint16_t> threads;
  for (Span const& span : spans) {
    names.push_back(span.name.c_str());
    ids.push_back(span.record_id.c_str());
    begins.push_back(span.begin_ns);
    ends.push_back(span.end_ns);
    threads.push_back(span.thread);
  }
  UniqueH5Type const text(check_h5(H5Tcopy(H5T_C_S1), path));
  check_h5_status(H5Tset_size(text.get(), H5T_VARIABLE), path);
  check_h5_status(H5Tset_cset(text.get(), H5T_CSET_UTF8), path);
  UniqueH5File file = create_h5(path);
  hsize_t const rows = spans.size();
  write_column(file.get(), path, "name", text.get(), rows, names.data());
  write_column(file.get(), path, "record_id", text.get(), rows, ids.data());
  write_column(file.get(), path, "begin_ns", H5T_NATIVE_INT64, rows, begins.data());
  write_column(file.get(), path, "end_ns", H5T_NATIVE_INT64, rows, ends.data());
  write_column(file.get(), path, "thread", H5T_NATIVE_UINT16, rows, threads.data());
  // As text: all 64 bits in any reader.
  write_attribute(file.get(), path, offset_name, std::to_string(unix_time_ns() - now_ns()));
  flush_h5(file.get(), path);
  close_h5(std::move(file), path);
}

TraceFile read_trace_file(std::string const& path) {
  UniqueH5File const file = open_h5(path, H5Access::read);
  auto const begins = read_numbers<std::int64_t>(file.get(), path, "begin_ns");
  auto const ends = read_numbers<std::int64_t>(file.get(), path, "end_ns");
  auto const threads = read_numbers<std::uint16_t>(file.get(), path, "thread");
  require(ends.size() == begins.size() && threads.size() == begins.size(), ExitCode::io,
          path + ": its columns differ in length (none of ours) name a trace file");
  std::vector<std::string> const names = read_texts(file.get(), path, "name", begins.size());
  std::vector<std::string> const ids = read_texts(file.get(), path, "record_id", begins.size());
  TraceFile trace;
  for (std::size_t i = 0; i < begins.size(); ++i)
    trace.spans.push_back({names[i], ids[i], begins[i], ends[i], threads[i]});
  if (H5Aexists(file.get(), offset_name) > 0) {
    std::string const offset = read_text_attribute(file.get(), path, offset_name);
    trace.steady_to_unix_ns = std::strtoll(offset.c_str(), nullptr, 10);
  }
  return trace;
}

}  // namespace ditbatch
