#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "output/publish.hpp"
#include "output/scan_run.hpp"

namespace ditbatch {

/// Copies rows of a shard into a new, finished shard file. Rows are numbers, in rising order.
void copy_rows(std::string const& from, std::vector<std::uint64_t> const& rows,
               std::string const& to);

/// What became of a published shard that some rows were taken out of.
struct Withdrawal {
  std::string moved_to;  // the whole old file, beneath the run folder; nothing is deleted
  std::optional<PublishedShard> published;  // the kept rows, under a new number; none kept: none
};

/// Takes a published shard out of a run and publishes the rows to keep as a new one.
///
/// The copy is finished before the old shard moves to .work/withdrawn/, and published after: a kill
/// in between leaves a partial shard, whose rows the next job publishes. `part` and `number` name
/// the new shard. The run folder must be locked.
[[nodiscard]] Withdrawal withdraw_rows(std::string const& run_dir, std::string const& file,
                                       std::vector<std::uint64_t> const& kept,
                                       std::string const& part, int number);

/// Withdraws these images from all shards that hold one of them.
void withdraw_images(std::string const& run_dir, std::string const& part,
                     std::set<ImageKey> const& images, RunContents const& contents);

}  // namespace ditbatch
