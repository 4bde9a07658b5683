#include "output/flush_journal.hpp"

#include <fcntl.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "core/sha256.hpp"
#include "output/plain_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

constexpr std::array<char, 8> journal_magic{'d', 'i', 't', 'j', 'r', 'n', 'l', '1'};

// A journal is this, then the pages. Only the machine that wrote it, or one like it, reads it.
struct JournalHeader {
  std::array<char, 8> magic = journal_magic;
  Sha256Digest sha256{};  // of all that follows
  std::uint64_t size_bytes = 0;
  std::uint64_t page_count = 0;
};
constexpr std::size_t unhashed_bytes = offsetof(JournalHeader, size_bytes);

struct PageRecord {
  std::uint64_t number = 0;
  Page page;
};
static_assert(sizeof(PageRecord) == sizeof(std::uint64_t) + page_bytes);

// Nothing where it was cut off, or damaged, or is empty: its change was not decided.
std::optional<FileChange> read_journal(std::string const& journal) {
  UniqueDescriptor const file = open_file(journal, O_RDONLY);
  std::string text(size_of_file(file.get()), '\0');
  read_at(file.get(), text.data(), text.size(), 0);
  JournalHeader header;
  if (text.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, text.data(), sizeof header);
  std::size_t const records_bytes = text.size() - sizeof header;
  if (header.magic != journal_magic || records_bytes % sizeof(PageRecord) != 0 ||
      header.page_count != records_bytes / sizeof(PageRecord) ||
      header.sha256 != sha256(text.data() + unhashed_bytes, text.size() - unhashed_bytes))
    return std::nullopt;
  FileChange change;
  change.size_bytes = header.size_bytes;
  for (std::size_t at = sizeof header; at < text.size(); at += sizeof(PageRecord)) {
    PageRecord record;
    std::memcpy(&record, text.data() + at, sizeof record);
    change.pages.emplace(record.number, record.page);
  }
  return change;
}

}  // namespace

std::string journal_path(std::string const& path) { return path + ".journal"; }

void write_journal(int journal, FileChange const& change) {
  JournalHeader header;
  header.size_bytes = change.size_bytes;
  header.page_count = change.pages.size();
  std::string text(sizeof header + change.pages.size() * sizeof(PageRecord), '\0');
  std::size_t at = sizeof header;
  for (auto const& [number, page] : change.pages) {
    std::memcpy(text.data() + at, &number, sizeof number);
    std::memcpy(text.data() + at + sizeof number, page.data(), page.size());
    at += sizeof(PageRecord);
  }
  std::memcpy(text.data(), &header, sizeof header);
  header.sha256 = sha256(text.data() + unhashed_bytes, text.size() - unhashed_bytes);
  std::memcpy(text.data(), &header, sizeof header);
  write_at(journal, text.data(), text.size(), 0);
  sync_file(journal);
}

void apply_change(int file, FileChange const& change) {
  for (auto const& [number, page] : change.pages)
    write_at(file, page.data(), page.size(), number * page_bytes);
  set_size(file, change.size_bytes);
  sync_file(file);
}

void recover_file(std::string const& path) {
  std::string const journal = journal_path(path);
  if (!fs::exists(journal)) return;
  std::optional<FileChange> const change =
      naming_file(journal, [&] { return read_journal(journal); });
  if (change) naming_file(path, [&] { apply_change(open_file(path, O_RDWR).get(), *change); });
  remove_journal(path);
}

void remove_with_journal(std::string const& path) {
  remove_journal(path);
  naming_file(path, [&] { remove_file(path); });
}

void remove_journal(std::string const& path) {
  std::string const journal = journal_path(path);
  naming_file(journal, [&] { remove_file(journal); });
}

}  // namespace ditbatch
