#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>

#include "core/unique_handle.hpp"

namespace ditbatch {

struct FileTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle handle) noexcept { ::close(handle); }
};
using UniqueFile = UniqueHandle<FileTraits>;

/// Opens a file to read. Throws Error(io) that names it.
[[nodiscard]] UniqueFile open_file(std::string const& path);

/// Fills `to` with `size_bytes` bytes from `offset` on. Throws Error(io) where the file system
/// refuses, Error(bad_input) where the file ends before; both name `path`.
void read_file(int file, std::string const& path, std::uint64_t offset, std::uint64_t size_bytes,
               char* to);

}  // namespace ditbatch
