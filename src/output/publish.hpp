#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/sha256.hpp"
#include "manifest/image_key.hpp"

namespace ditbatch {

/// A shard that stands under shards/: complete and verified.
struct PublishedShard {
  std::string file;  // relative to the run folder: "shards/1024x768/000012.h5"
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  Sha256Digest sha256{};  // of the file
  std::vector<ImageKey> keys;
};

/// What becomes of a file that has the name already.
enum class Existing { refuse, replace };
/// Moves a finished partial shard to its published name: reopens it read-only, recounts, compares
/// every hash, takes its write permission, flushes, renames without replacing a file unless that is
/// wanted, flushes the folder. Throws Error(io) and publishes nothing if anything is wrong. `file`
/// is relative to `run_dir`.
[[nodiscard]] PublishedShard publish_shard(std::string const& partial, std::string const& run_dir,
                                           std::string const& file,
                                           Existing existing = Existing::refuse);

/// Throws Error(io) where a folder under shards/ lies on another file system than .work: nothing
/// could be renamed into it. Both may be links.
void require_one_file_system(std::string const& run_dir);

/// Adds a line to index.jsonl, flushed.
void append_index_line(std::string const& path, PublishedShard const& shard);

/// One line of index.jsonl.
struct IndexLine {
  std::string file;  // relative to the run folder
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256;  // of the file, hexadecimal
};
/// Lines that are no such records are skipped. Throws Error where the file is there and cannot be
/// read.
[[nodiscard]] std::vector<IndexLine> read_index_lines(std::string const& path);
/// Replaces the file by these lines; without any it is removed.
void write_index_lines(std::string const& path, std::vector<IndexLine> const& lines);

/// A record that was given up; one line of failed.jsonl.
struct FailedLine {
  std::string id;
  std::uint16_t index = 0;
  int attempts = 0;
  std::string error;
  std::string checkpoint;  // how its id begins, hexadecimal; empty: an earlier version wrote it
  /// Whether the record is left out of a job with this checkpoint: with another it may do better.
  [[nodiscard]] bool holds_for(std::string const& other) const {
    return checkpoint.empty() || other.rfind(checkpoint, 0) == 0;
  }
};
void append_failed_line(std::string const& path, FailedLine const& line);
/// The same.
[[nodiscard]] std::vector<FailedLine> read_failed_lines(std::string const& path);
/// Replaces the file by these lines; without any it is removed.
void write_failed_lines(std::string const& path, std::vector<FailedLine> const& lines);

}  // namespace ditbatch
