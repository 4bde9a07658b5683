#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

#include "core/error.hpp"
#include "core/unique_handle.hpp"

namespace ditbatch {

struct DescriptorTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle handle) noexcept;
};
using UniqueDescriptor = UniqueHandle<DescriptorTraits>;

// Calls of the system on plain files. They throw std::system_error with the name of the call.

/// A file that it makes can be read by all and written by owner and group, less the umask.
[[nodiscard]] UniqueDescriptor open_file(std::string const& path, int flags);
[[nodiscard]] std::uint64_t size_of_file(int file);
/// All of the bytes; those beyond the end of the file are zeros.
void read_at(int file, void* data, std::size_t size_bytes, std::uint64_t at);
void write_at(int file, void const* data, std::size_t size_bytes, std::uint64_t at);
void set_size(int file, std::uint64_t size_bytes);
void sync_file(int file);
/// Gives the owner the right to write the file, if it lacks that, and proves that it can be opened
/// for writing. A link is refused.
void make_writable(std::string const& path);
/// Makes the names in the file's folder durable.
void sync_folder_of(std::string const& path);
/// A new version of a small file, which takes its place as a whole when it is finished: written
/// beside it, durable, renamed. No link is followed, and nobody else may write the file. Without
/// finish() nothing is left. The functions throw Error(io).
class FileReplacement {
 public:
  explicit FileReplacement(std::string path);
  FileReplacement(FileReplacement&&) noexcept = default;
  FileReplacement& operator=(FileReplacement&&) noexcept = default;
  ~FileReplacement();
  void write(std::string const& text);
  void finish();

 private:
  std::string path_;
  UniqueDescriptor file_;
  std::uint64_t size_bytes_ = 0;
};

/// Replaces a small file at once: written beside it, flushed, renamed. Throws Error(io), and leaves
/// nothing beside it then.
void replace_file(std::string const& path, std::string const& text);

/// Makes a small file with this text, durable, where none of the name is. -> whether it did. Of
/// several processes one does, and none ever sees a part of the text.
[[nodiscard]] bool write_new_file(std::string const& path, std::string const& text);

/// rename() that throws where the new name is taken. In place of it a hard link, where the kernel
/// or the file system has no such rename.
void rename_to_new(std::string const& from, std::string const& to);

/// A file that is not there is as good as removed.
void remove_file(std::string const& path);

/// "PATH: pwrite failed (No space left on device; 0 bytes are free on its file system) check ..."
[[nodiscard]] Error io_error(std::string const& path, std::system_error const& error);

/// Runs a function whose system errors are about this file: they become Error(io).
template <class Function>
auto naming_file(std::string const& path, Function function) {
  try {
    return function();
  } catch (std::system_error const& error) {
    throw io_error(path, error);
  }
}

/// Free bytes of a path's file system, for messages.
[[nodiscard]] std::string free_space_text(std::string const& path);

}  // namespace ditbatch
