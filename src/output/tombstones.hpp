#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "manifest/image_key.hpp"

namespace ditbatch {

/// What is known of something that was taken out of a run folder and is not made again.
struct Tombstone {
  std::uint64_t images = 1;  // that were known of when it was taken out
  std::string reason;        // the user's words; may be empty
  std::string since;         // ISO 8601, UTC
};

/// Everything that was taken out of a run folder: taken_out.jsonl, one line each, written by prune.
struct Tombstones {
  std::map<ImageChoice, Tombstone> all;
  [[nodiscard]] bool hold(ImageKey const& key) const;
  /// Images that were known of.
  [[nodiscard]] std::uint64_t images() const;
};

/// Throws Error(io) where the file cannot be read, or a line is none of ours: what a lost line
/// names would be made again.
[[nodiscard]] Tombstones read_tombstones(std::string const& run_dir);
/// All of them or the old file, durable; without any the file is removed. Throws Error(io).
void write_tombstones(std::string const& run_dir, Tombstones const& tombstones);

}  // namespace ditbatch
