#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "output/publish.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

/// What `ditbatch verify` found; `problems` is empty for a sound run folder.
struct VerifyReport {
  std::uint64_t shards = 0;
  std::uint64_t images = 0;
  std::uint64_t doubled = 0;                    // rows whose image stands in an earlier row too
  std::uint64_t constant_images = 0;            // whose bytes are all the same: told, no problem
  std::vector<std::string> problems;            // each with shard, row and id where it is known
  std::map<ImageKey, PublishedRecord> records;  // of every image that can be read
};

/// Opens every published shard, compares the hash of every row's pixels and columns and of the file
/// with the index, and looks for images that stand twice or were taken out, and for shards that are
/// gone.
[[nodiscard]] VerifyReport verify_run(std::string const& run_dir);

/// What `ditbatch compare` found.
struct CompareReport {
  std::uint64_t identical = 0;
  std::vector<std::string>
      differences;  // by id: largest difference and PSNR, or on which side it is missing
};

/// Compares the images of two runs by (id, index).
[[nodiscard]] CompareReport compare_runs(std::string const& run_a, std::string const& run_b);

}  // namespace ditbatch
