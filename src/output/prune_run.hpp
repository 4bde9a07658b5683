#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "output/shard_file.hpp"
#include "output/tombstones.hpp"

namespace ditbatch {

/// What prune takes out of the published shards.
struct PrunePlan {
  struct Shard {
    std::string file;
    std::vector<std::uint64_t> kept;  // rows; none: the file goes
    std::vector<ImageKey> taken;
  };
  std::vector<Shard> changed;
  std::uint64_t images = 0, shards = 0;  // there before
  [[nodiscard]] std::uint64_t taken_images() const;
  [[nodiscard]] std::uint64_t emptied_shards() const;
};

/// Finds the rows that are chosen, and those that have a tombstone: a prune that was cut off.
/// Changes nothing.
[[nodiscard]] PrunePlan plan_prune(std::string const& run_dir, Tombstones const& tombstones,
                                   std::function<bool(RowKey const&)> const& is_chosen);

/// Takes the rows of a plan out of the shards (take_rows_out). `part`: whose job this is; none: all
/// are locked.
void take_out(std::string const& run_dir, std::optional<std::string> const& part,
              PrunePlan const& plan);

/// Writes the tombstones, then takes the rows out: of each shard a copy without them is proven and
/// takes its place under its name, at once; one without other rows is removed. At any instant every
/// image that stays stands in exactly one published shard. At last nothing of what was taken out is
/// left in .work or among the failures. Killed in between, it goes on when it is planned and called
/// again. What jobs left in .work must have been published before, and the run folder and its parts
/// be locked. Throws Error(io), for a row to keep that does not verify too: repair comes first.
void carry_out(std::string const& run_dir, PrunePlan const& plan, Tombstones const& tombstones);

}  // namespace ditbatch
