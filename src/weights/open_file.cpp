#include "weights/open_file.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "core/error.hpp"

namespace ditbatch {

UniqueFile open_file(std::string const& path) {
  UniqueFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(static_cast<bool>(file), ExitCode::io,
          "cannot open " + path + " (" + std::strerror(errno) + ")");
  return file;
}

void read_file(int file, std::string const& path, std::uint64_t offset, std::uint64_t size_bytes,
               char* to) {
  // The disk gets the whole request at once, and not one read-ahead window after another. Only a
  // hint: what it returns does not matter.
  (void)::posix_fadvise(file, static_cast<off_t>(offset), static_cast<off_t>(size_bytes),
                        POSIX_FADV_WILLNEED);
  while (size_bytes > 0) {
    ssize_t const count = ::pread(file, to, size_bytes, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    require(count >= 0, ExitCode::io, "cannot read " + path + " (" + std::strerror(errno) + ")");
    require(count > 0, ExitCode::bad_input,
            path + " became shorter (after it was checked) start again");
    to += count;
    offset += static_cast<std::uint64_t>(count);
    size_bytes -= static_cast<std::uint64_t>(count);
  }
}

}  // namespace ditbatch
