#include "output/journaled_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace ditbatch {

namespace {

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

}  // namespace

// The first page of a new file is held back too: without it, until the first commit, the file is no
// HDF5 file, and nobody tries to read what was cut off.
JournaledFile::JournaledFile(std::string path, int flags)
    : path_(std::move(path)), file_(open_file(path_, flags)) {
  change_.size_bytes = size_of_file(file_.get());
  kept_bytes_ = std::max<std::uint64_t>(page_bytes, whole_pages(change_.size_bytes));
}

template <class Function>
void JournaledFile::keep_failure(Function function) {
  try {
    function();
  } catch (...) {
    failure_ = std::current_exception();
    // The file keeps what it has. HDF5 goes on writing until it is closed: into memory.
    kept_bytes_ = std::numeric_limits<std::uint64_t>::max();
    throw;
  }
}

void JournaledFile::read(void* data, std::size_t size_bytes, std::uint64_t at) const {
  read_at(file_.get(), data, size_bytes, at);
  auto* const to = static_cast<char*>(data);
  std::uint64_t const end = at + size_bytes;
  for (auto page = change_.pages.lower_bound(at / page_bytes);
       page != change_.pages.end() && page->first * page_bytes < end; ++page) {
    std::uint64_t const page_at = page->first * page_bytes;
    std::uint64_t const from = std::max(at, page_at);
    std::memcpy(to + (from - at), page->second.data() + (from - page_at),
                std::min(end, page_at + page_bytes) - from);
  }
}

void JournaledFile::write(void const* data, std::size_t size_bytes, std::uint64_t at) {
  auto const* const from = static_cast<char const*>(data);
  keep_failure([&] {
    is_changed_ = true;
    std::uint64_t const before_end = kept_bytes_ - std::min(kept_bytes_, at);
    std::size_t const in_pages = std::min<std::uint64_t>(size_bytes, before_end);
    write_pages(from, in_pages, at);
    write_at(file_.get(), from + in_pages, size_bytes - in_pages, at + in_pages);
    change_.size_bytes = std::max(change_.size_bytes, at + size_bytes);
  });
}

void JournaledFile::write_pages(char const* data, std::size_t size_bytes, std::uint64_t at) {
  while (size_bytes > 0) {
    std::uint64_t const number = at / page_bytes;
    std::size_t const offset = at % page_bytes;
    std::size_t const count = std::min(size_bytes, page_bytes - offset);
    auto const [page, is_new] = change_.pages.try_emplace(number);
    if (is_new && count < page_bytes)
      read_at(file_.get(), page->second.data(), page_bytes, number * page_bytes);
    std::memcpy(page->second.data() + offset, data, count);
    data += count;
    at += count;
    size_bytes -= count;
  }
}

void JournaledFile::set_size(std::uint64_t size_bytes) {
  if (size_bytes == change_.size_bytes) return;
  is_changed_ = true;
  change_.size_bytes = size_bytes;
}

void JournaledFile::commit() {
  naming_file(path_, [this] {
    if (failure_) std::rethrow_exception(failure_);
    if (is_changed_) keep_failure([this] { commit_change(); });
  });
}

void JournaledFile::commit_change() {
  sync_file(file_.get());
  if (!journal_) {
    journal_ = open_file(journal_path(path_), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW);
    sync_folder_of(path_);
  }
  write_journal(journal_.get(), change_);
  apply_change(file_.get(), change_);
  ditbatch::set_size(journal_.get(), 0);
  change_.pages.clear();
  kept_bytes_ = whole_pages(change_.size_bytes);
  is_changed_ = false;
}

void JournaledFile::close() {
  commit();
  if (journal_) remove_journal(path_);
  journal_.reset();
}

}  // namespace ditbatch
