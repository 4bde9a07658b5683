#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ditbatch {

/// What `ditbatch repair` did.
struct RepairReport {
  std::uint64_t sound_shards = 0;
  std::uint64_t withdrawn_shards = 0;
  std::uint64_t rewritten_shards = 0;   // nothing but doubles was wrong
  std::uint64_t broken_images = 0;      // rows that did not verify
  std::uint64_t missing_images = 0;     // of those: that no sound row holds
  std::uint64_t doubled_images = 0;     // sound rows whose image stands in an earlier row
  std::uint64_t removed_originals = 0;  // withdrawn shards whose images all stand elsewhere
  std::uint64_t originals = 0;          // withdrawn shards that are left
  std::uint64_t original_bytes = 0;
  std::vector<std::string> lines;  // one a row or shard that was taken out: where, which, why
};

/// Whether withdrawn shards are kept that hold images which stand nowhere else.
enum class Originals { keep, discard };

/// Takes out of the published shards what does not verify: rows whose pixels, columns or hashes are
/// broken, rows that stand twice, shards that cannot be opened or whose bytes changed. What is
/// sound is published anew. A shard with broken rows moves to .work/withdrawn/, where it stays as
/// long as it holds images that stand nowhere else, or cannot be read. Of doubles the first sound
/// row stays. The run folder must be locked.
[[nodiscard]] RepairReport repair_run(std::string const& run_dir, Originals originals);

}  // namespace ditbatch
