#include "output/h5_handle.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "core/error.hpp"
#include "output/flush_journal.hpp"
#include "output/journaled_driver.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace {

// Keeps an entry of the error stack.
herr_t keep_description(unsigned, H5E_error2_t const* entry, void* target) {
  auto& text = *static_cast<std::string*>(target);
  if (entry->desc != nullptr && entry->desc[0] != '\0')
    text = std::string(entry->func_name) + ": " + entry->desc;
  return 0;
}

[[noreturn]] void fail(std::string const& path, std::source_location where) {
  int const system_error = errno;
  std::string text;
  // The innermost entry says what the system refused.
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, H5E_error2_t const* entry, void* target) {
        if (n == 0) return keep_description(n, entry, target);
        return herr_t{0};
      },
      &text);
  H5Eclear2(H5E_DEFAULT);
  std::string why = text.empty() ? "no details" : text;
  if (system_error == ENOSPC || system_error == EDQUOT || system_error == EIO)
    why += "; " + free_space_text(path);
  std::string const place = std::filesystem::path(where.file_name()).filename();
  throw Error(ExitCode::io, path + ": HDF5 failed (" + why + ", at " + place + ":" +
                                std::to_string(where.line()) + ") " +
                                (system_error != 0 ? "check space, quota and permissions"
                                                   : "the file is damaged, or none of ours"));
}

}  // namespace

hid_t check_h5(hid_t result, std::string const& path, std::source_location where) {
  if (result < 0) fail(path, where);
  return result;
}

void check_h5_status(herr_t result, std::string const& path, std::source_location where) {
  if (result < 0) fail(path, where);
}

std::string h5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

void prepare_h5() {
  ::setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
  ::setenv("HDF5_PLUGIN_PRELOAD", "::", 1);
  require(H5open() >= 0, ExitCode::internal, "HDF5 does not start (H5open failed)");
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  // The main thread writes traces while the writer thread writes shards.
  hbool_t is_threadsafe = 0;
  require(H5is_library_threadsafe(&is_threadsafe) >= 0 && is_threadsafe != 0, ExitCode::unhealthy,
          "HDF5 is not thread-safe (the library was built without --enable-threadsafe) load or "
          "build a serial, thread-safe one");
}

namespace {

UniqueH5Properties access_properties(std::string const& path, H5Access access) {
  UniqueH5Properties properties(check_h5(H5Pcreate(H5P_FILE_ACCESS), path));
  check_h5_status(H5Pset_libver_bounds(properties.get(), H5F_LIBVER_V18, H5F_LIBVER_V110), path);
  if (access == H5Access::change) use_journaled_driver(properties.get(), path);
  return properties;
}

// The library keeps its automatic error printing per thread: every thread that opens files turns it
// off.
void quiet_this_thread() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

}  // namespace

UniqueH5File open_h5(std::string const& path, H5Access access) {
  quiet_this_thread();
  if (access == H5Access::change) recover_file(path);
  UniqueH5Properties const properties = access_properties(path, access);
  errno = 0;
  return UniqueH5File(
      check_h5(H5Fopen(path.c_str(), access == H5Access::read ? H5F_ACC_RDONLY : H5F_ACC_RDWR,
                       properties.get()),
               path));
}

UniqueH5File create_h5(std::string const& path) {
  quiet_this_thread();
  UniqueH5Properties const properties = access_properties(path, H5Access::change);
  errno = 0;
  UniqueH5File file(
      check_h5(H5Fcreate(path.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, properties.get()), path));
  remove_journal(path);  // of an earlier file of this name
  return file;
}

void flush_h5(hid_t file, std::string const& path) {
  check_h5_status(H5Fflush(file, H5F_SCOPE_LOCAL), path);
  journaled_file(file, path)->commit();
}

void close_h5(UniqueH5File file, std::string const& path) {
  std::shared_ptr<JournaledFile> const beneath = journaled_file(file.get(), path);
  check_h5_status(H5Fclose(file.release()), path);
  beneath->close();  // says what H5Fclose does not
}

}  // namespace ditbatch
