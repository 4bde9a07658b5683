#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace ditbatch {

// HDF5 overwrites its metadata in place: a writer that dies in the middle of a flush would leave a
// file that is neither the old one nor the new one, and rows of earlier flushes would be lost with
// it. So a flush is one change of the file, which happens as a whole or not at all, as a
// transaction of a database with a write-ahead log does:
//
//     the bytes behind the old end are in the file, durable; nothing refers to them yet
//     the pages that change are written into a journal beside the file, durable, with a checksum
//     the pages are written into the file, durable
//     the journal is emptied
//
// A journal that is whole says that the change was decided: whoever opens the file next makes it
// again, as often as it takes. One that is not means that the file is still as it was.

inline constexpr std::size_t page_bytes = 4096;
using Page = std::array<char, page_bytes>;

/// What a flush does to the part of a file that an earlier one left, and the file's size after it.
struct FileChange {
  std::map<std::uint64_t, Page> pages;  // by number
  std::uint64_t size_bytes = 0;
};

/// PATH.journal
[[nodiscard]] std::string journal_path(std::string const& path);

/// Writes a change into an empty journal, durably. Throws std::system_error, as does the next one.
void write_journal(int journal, FileChange const& change);
/// Makes the change to the file itself, durably.
void apply_change(int file, FileChange const& change);

/// Makes the change of a journal that is whole, and removes the journal; without one, nothing
/// happens. Throws Error(io).
void recover_file(std::string const& path);
/// Removes a file that is not wanted any more, and its journal before it. Throws Error(io).
void remove_with_journal(std::string const& path);
/// Removes a journal that belongs to no file of today. Throws Error(io).
void remove_journal(std::string const& path);

}  // namespace ditbatch
