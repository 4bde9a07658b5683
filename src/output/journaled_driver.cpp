#include "output/journaled_driver.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "output/h5_handle.hpp"
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

namespace ditbatch {

namespace {

struct DriverFile : H5FD_t {
  std::shared_ptr<JournaledFile> file;
  haddr_t allocated_bytes = 0;  // HDF5's own idea of the end
};

DriverFile& of(H5FD_t* file) { return static_cast<DriverFile&>(*file); }
DriverFile const& of(H5FD_t const* file) { return static_cast<DriverFile const&>(*file); }

// No exception may go through the library: it becomes an entry of its error stack, and errno.
template <class Function>
bool succeeds(hid_t kind, Function function) {
  int system_error = 0;
  std::string what;
  try {
    function();
    return true;
  } catch (std::system_error const& error) {
    system_error = error.code().value();
    what = error.what();
  } catch (std::exception const& error) {
    what = error.what();
  }
  H5Epush2(H5E_DEFAULT, __FILE__, "journaled file", __LINE__, H5E_ERR_CLS, H5E_VFL, kind, "%s",
           what.c_str());
  errno = system_error;
  return false;
}

herr_t status(bool is_done) { return is_done ? 0 : -1; }

H5FD_t* open(char const* name, unsigned flags, hid_t, haddr_t) {
  int const system_flags = ((flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY) |
                           ((flags & H5F_ACC_CREAT) != 0 ? O_CREAT : 0) |
                           ((flags & H5F_ACC_TRUNC) != 0 ? O_TRUNC : 0) |
                           ((flags & H5F_ACC_EXCL) != 0 ? O_EXCL : 0);
  auto made = std::make_unique<DriverFile>();
  bool const is_open = succeeds(
      H5E_CANTOPENFILE, [&] { made->file = std::make_shared<JournaledFile>(name, system_flags); });
  return is_open ? made.release() : nullptr;
}

// Closing cannot fail: HDF5 would keep half of the file open. Who closes a file for good asks the
// JournaledFile.
herr_t close(H5FD_t* file) {
  std::unique_ptr<DriverFile> const closed(&of(file));
  try {
    closed->file->close();
  } catch (std::exception const&) {
  }
  return 0;
}

// The same as HDF5's own driver for such files, for the same layout of the file.
herr_t query(H5FD_t const*, unsigned long* features) {
  *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
              H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t get_allocated(H5FD_t const* file, H5FD_mem_t) { return of(file).allocated_bytes; }

herr_t set_allocated(H5FD_t* file, H5FD_mem_t, haddr_t bytes) {
  of(file).allocated_bytes = bytes;
  return 0;
}

haddr_t get_size(H5FD_t const* file, H5FD_mem_t) { return of(file).file->size_bytes(); }

herr_t get_handle(H5FD_t* file, hid_t, void** handle) {
  *handle = &of(file).file;
  return 0;
}

herr_t read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, std::size_t size_bytes, void* data) {
  return status(succeeds(H5E_READERROR, [&] { of(file).file->read(data, size_bytes, at); }));
}

herr_t write(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, std::size_t size_bytes,
             void const* data) {
  return status(succeeds(H5E_WRITEERROR, [&] { of(file).file->write(data, size_bytes, at); }));
}

herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
  of(file).file->set_size(of(file).allocated_bytes);
  return 0;
}

H5FD_class_t const driver_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = 300,  // of those that need no registration
#endif
    .name = "ditbatch_journaled",
    .maxaddr = (haddr_t{1} << 63U) - 1,
    .fc_degree = H5F_CLOSE_WEAK,
    .open = open,
    .close = close,
    .query = query,
    .get_eoa = get_allocated,
    .set_eoa = set_allocated,
    .get_eof = get_size,
    .get_handle = get_handle,
    .read = read,
    .write = write,
    .truncate = truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

}  // namespace

void use_journaled_driver(hid_t access_properties, std::string const& path) {
  static hid_t const driver = H5FDregister(&driver_class);
  check_h5_status(H5Pset_driver(access_properties, check_h5(driver, path), nullptr), path);
}

std::shared_ptr<JournaledFile> journaled_file(hid_t file, std::string const& path) {
  void* handle = nullptr;
  check_h5_status(H5Fget_vfd_handle(file, H5P_DEFAULT, &handle), path);
  return *static_cast<std::shared_ptr<JournaledFile>*>(handle);
}

}  // namespace ditbatch
