#include "output/plain_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/file_calls.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

void require_done(ssize_t result, char const* call) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), call);
}

}  // namespace

void DescriptorTraits::close(Handle handle) noexcept { ::close(handle); }

UniqueDescriptor open_file(std::string const& path, int flags) {
  FileCall const call("open", path);
  UniqueDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0664));
  require_done(file.get(), "open");
  return file;
}

std::uint64_t size_of_file(int file) {
  struct stat status {};
  require_done(::fstat(file, &status), "fstat");
  return static_cast<std::uint64_t>(status.st_size);
}

void read_at(int file, void* data, std::size_t size_bytes, std::uint64_t at) {
  auto* to = static_cast<char*>(data);
  while (size_bytes > 0) {
    FileCall const call("read", file);
    ssize_t const got = ::pread(file, to, size_bytes, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    require_done(got, "pread");
    if (got == 0) break;
    to += got;
    at += static_cast<std::uint64_t>(got);
    size_bytes -= static_cast<std::size_t>(got);
  }
  std::memset(to, 0, size_bytes);
}

void write_at(int file, void const* data, std::size_t size_bytes, std::uint64_t at) {
  auto const* from = static_cast<char const*>(data);
  while (size_bytes > 0) {
    FileCall const call("write", file);
    ssize_t const put = ::pwrite(file, from, size_bytes, static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    require_done(put, "pwrite");
    from += put;
    at += static_cast<std::uint64_t>(put);
    size_bytes -= static_cast<std::size_t>(put);
  }
}

void set_size(int file, std::uint64_t size_bytes) {
  FileCall const call("truncate", file);
  require_done(::ftruncate(file, static_cast<off_t>(size_bytes)), "ftruncate");
}

void make_writable(std::string const& path) {
  UniqueDescriptor const file = open_file(path, O_RDONLY | O_NOFOLLOW);
  struct stat status {};
  require_done(::fstat(file.get(), &status), "fstat");
  if ((status.st_mode & S_IWUSR) == 0)
    require_done(::fchmod(file.get(), (status.st_mode & 07777U) | S_IWUSR), "fchmod");
  UniqueDescriptor const writable = open_file(path, O_RDWR | O_NOFOLLOW);
}

void sync_file(int file) {
  FileCall const call("fsync", file);
  require_done(::fsync(file), "fsync");
}

void sync_folder_of(std::string const& path) {
  fs::path const folder = fs::path(path).parent_path();
  sync_file(open_file(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY).get());
}

namespace {

std::string fresh_path(std::string const& path) { return path + ".new"; }

// Calls the function, with what it was to write in the text of its error.
template <class Function>
auto naming_bytes(std::string const& path, std::uint64_t size_bytes, Function function) {
  try {
    return function();
  } catch (std::system_error const& error) {
    throw Error(ExitCode::io, "cannot write the " + std::to_string(size_bytes) + " bytes of " +
                                  path + " (" + error.what() + "; " + free_space_text(path) +
                                  ") check space, quota and permissions");
  }
}

}  // namespace

FileReplacement::FileReplacement(std::string path) : path_(std::move(path)) {
  naming_bytes(path_, 0, [&] {
    remove_file(fresh_path(path_));  // of a process that died
    file_ = open_file(fresh_path(path_), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
  });
}

FileReplacement::~FileReplacement() {
  if (file_) ::unlink(fresh_path(path_).c_str());
}

void FileReplacement::write(std::string const& text) {
  std::uint64_t const at = std::exchange(size_bytes_, size_bytes_ + text.size());
  naming_bytes(path_, size_bytes_, [&] { write_at(file_.get(), text.data(), text.size(), at); });
}

void FileReplacement::finish() {
  naming_bytes(path_, size_bytes_, [&] {
    sync_file(file_.get());
    FileCall const call("rename", path_);
    require_done(std::rename(fresh_path(path_).c_str(), path_.c_str()), "rename");
    require_done(::close(file_.release()), "close");
    sync_folder_of(path_);
  });
}

void replace_file(std::string const& path, std::string const& text) {
  FileReplacement file(path);
  file.write(text);
  file.finish();
}

bool write_new_file(std::string const& path, std::string const& text) {
  std::string const written = path + "." + std::to_string(::getpid()) + ".new";
  remove_file(written);
  {
    UniqueDescriptor const file = open_file(written, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    write_at(file.get(), text.data(), text.size(), 0);
    sync_file(file.get());
  }
  try {
    rename_to_new(written, path);
  } catch (std::system_error const& error) {
    remove_file(written);
    if (error.code() == std::errc::file_exists) return false;
    throw;
  }
  sync_folder_of(path);
  return true;
}

void rename_to_new(std::string const& from, std::string const& to) {
  constexpr unsigned no_replace = 1;  // RENAME_NOREPLACE
  FileCall const call("rename", to);
  if (::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), no_replace) == 0)
    return;
  if (errno != EINVAL && errno != ENOSYS) require_done(-1, "rename");
  require_done(::link(from.c_str(), to.c_str()), "link");
  require_done(::unlink(from.c_str()), "unlink");
}

void remove_file(std::string const& path) {
  FileCall const call("unlink", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) require_done(-1, "unlink");
}

Error io_error(std::string const& path, std::system_error const& error) {
  std::string const what = error.what();  // "pwrite: No space left on device"
  return {ExitCode::io, path + ": " + what.substr(0, what.find(':')) + " failed (" +
                            error.code().message() + "; " + free_space_text(path) +
                            ") check space, quota and permissions"};
}

std::string free_space_text(std::string const& path) {
  std::error_code error;
  auto const space = fs::space(fs::path(path).parent_path(), error);
  return error ? "free space unknown"
               : std::to_string(space.available) + " bytes are free on its file system";
}

}  // namespace ditbatch
