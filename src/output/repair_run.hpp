#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ditbatch {

/// What `ditbatch repair` did.
struct RepairReport {
  std::uint64_t sound_shards = 0;
  std::uint64_t withdrawn_shards = 0;
  std::uint64_t withdrawn_images = 0;
  std::vector<std::string> lines;  // one a withdrawn row or shard: where, which, why
};

/// Takes out of the published shards what does not verify: rows whose pixels, columns or hashes are
/// broken, rows that stand twice, shards that cannot be opened or whose bytes changed. What is
/// sound is published anew, what is not moves to .work/withdrawn/, and the next run makes it again.
/// The run folder must be locked.
[[nodiscard]] RepairReport repair_run(std::string const& run_dir);

}  // namespace ditbatch
