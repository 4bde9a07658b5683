#include "output/trace_file.hpp"

#include "output/h5_handle.hpp"

namespace ditbatch {

namespace {

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
  flush_h5(file.get(), path);
  check_h5_status(H5Fclose(file.release()), path);
}

}  // namespace ditbatch
