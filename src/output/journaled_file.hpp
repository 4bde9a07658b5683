#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "output/flush_journal.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

/// A file that changes only as a whole (flush_journal.hpp). What is written behind the end that the
/// last commit left goes to the file at once: the images. What is written before it stays in memory
/// until the next commit: metadata, and rows that are small. One thread at a time.
class JournaledFile {
 public:
  /// `flags` of open(2). Throws std::system_error, as do all but commit() and close().
  JournaledFile(std::string path, int flags);

  /// Bytes beyond the end are zeros.
  void read(void* data, std::size_t size_bytes, std::uint64_t at) const;
  void write(void const* data, std::size_t size_bytes, std::uint64_t at);
  void set_size(std::uint64_t size_bytes);
  [[nodiscard]] std::uint64_t size_bytes() const { return change_.size_bytes; }

  /// Makes all that was written since the last commit durable, as one change. After a write that
  /// failed there is none: then, and if this one fails, the file stays as it was, and so do all
  /// later commits throw. Throws Error(io).
  void commit();
  /// Commits, and removes the journal. May be called again. Throws Error(io).
  void close();

 private:
  void write_pages(char const* data, std::size_t size_bytes, std::uint64_t at);
  void commit_change();
  /// Calls the function; its exception is kept and thrown by every commit.
  template <class Function>
  void keep_failure(Function function);

  std::string path_;
  UniqueDescriptor file_;
  UniqueDescriptor journal_;  // from the first commit on
  FileChange change_;         // since the last commit
  std::uint64_t kept_bytes_;  // whole pages that the last commit left, and nothing may change
  bool is_changed_ = false;
  std::exception_ptr failure_;
};

}  // namespace ditbatch
