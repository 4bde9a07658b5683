#pragma once

#include <hdf5.h>

#include <source_location>
#include <string>

#include "core/unique_handle.hpp"

namespace ditbatch {

template <herr_t (*Close)(hid_t)>
struct H5Traits {
  using Handle = hid_t;
  static Handle null() noexcept { return H5I_INVALID_HID; }
  static void close(Handle handle) noexcept { (void)Close(handle); }
};
using UniqueH5File = UniqueHandle<H5Traits<H5Fclose>>;
using UniqueH5Dataset = UniqueHandle<H5Traits<H5Dclose>>;
using UniqueH5Space = UniqueHandle<H5Traits<H5Sclose>>;
using UniqueH5Type = UniqueHandle<H5Traits<H5Tclose>>;
using UniqueH5Properties = UniqueHandle<H5Traits<H5Pclose>>;
using UniqueH5Attribute = UniqueHandle<H5Traits<H5Aclose>>;

/// Throws Error(io) with the library's own error text, the file, and for a full disk what is free,
/// unless the result of an HDF5 call is good. Every call goes through here: a writer that ignores
/// return codes publishes rows of zeros.
hid_t check_h5(hid_t result, std::string const& path,
               std::source_location where = std::source_location::current());
void check_h5_status(herr_t result, std::string const& path,
                     std::source_location where = std::source_location::current());

/// Once per process, before any file: no error text of the library on stderr, no plugins, no file
/// locks (off or broken on many parallel file systems; a lock of our own guards the folder).
void prepare_h5();

/// Of the library that is loaded, "1.10.8".
[[nodiscard]] std::string h5_version();

enum class H5Access { read, change };
/// To change a file is to bring a flush to its end first that was cut off (flush_journal.hpp).
[[nodiscard]] UniqueH5File open_h5(std::string const& path, H5Access access);
/// A new file; one that exists is an error.
[[nodiscard]] UniqueH5File create_h5(std::string const& path);
/// Makes the file durable as it is now; a flush that is cut off leaves it as the last one did.
void flush_h5(hid_t file, std::string const& path);
/// Closes a changed file whose objects are closed, and leaves no journal; every error is thrown.
void close_h5(UniqueH5File file, std::string const& path);

}  // namespace ditbatch
