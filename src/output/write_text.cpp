#include "output/write_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.hpp"
#include "core/unique_handle.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace {

struct FileTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle handle) noexcept { ::close(handle); }
};

// Removed on every way out but the good one.
struct UnfinishedFile {
  std::string path;
  ~UnfinishedFile() {
    if (!path.empty()) ::unlink(path.c_str());
  }
};

}  // namespace

void write_text(std::string const& path, std::string const& text) {
  UnfinishedFile fresh{path + ".new"};
  auto const check = [&](bool good) {
    if (good) return;
    std::string const why = std::strerror(errno);
    throw Error(ExitCode::io, "cannot write the " + std::to_string(text.size()) + " bytes of " +
                                  path + " (" + why + "; " + free_space_text(path) +
                                  ") check space, quota and permissions");
  };
  UniqueHandle<FileTraits> file(
      ::open(fresh.path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666));
  check(static_cast<bool>(file));
  std::size_t written = 0;
  while (written < text.size()) {
    ssize_t const count = ::write(file.get(), text.data() + written, text.size() - written);
    check(count > 0);
    written += static_cast<std::size_t>(count);
  }
  check(::fsync(file.get()) == 0);
  check(::close(file.release()) == 0);
  check(std::rename(fresh.path.c_str(), path.c_str()) == 0);
  fresh.path.clear();
}

}  // namespace ditbatch
