#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "output/publish.hpp"
#include "output/scan_run.hpp"

namespace ditbatch {

/// Copies rows of a shard into a new, finished shard file. Rows are numbers, in rising order.
/// Throws Error(io) for one that does not verify.
void copy_rows(std::string const& from, std::vector<std::uint64_t> const& rows,
               std::string const& to);

/// What became of a published shard that some rows were taken out of.
struct Withdrawal {
  std::string moved_to;                     // the whole old file, beneath the run folder
  std::optional<PublishedShard> published;  // the kept rows, under a new number; none kept: none
};

/// Takes a published shard out of a run and publishes the rows to keep as a new one.
///
/// The copy is finished before the old shard moves to .work/withdrawn/, and published after: a kill
/// in between leaves a partial shard, whose rows the next job publishes. The new shard has the next
/// number of its size and part, which is counted on. The run folder must be locked.
[[nodiscard]] Withdrawal withdraw_rows(std::string const& run_dir, std::string const& file,
                                       std::vector<std::uint64_t> const& kept,
                                       std::string const& part,
                                       std::map<std::string, int>& next_number);

/// Rows leave a published shard for good. A copy with the rows to keep is proven and takes its
/// place under its name, at once; without any the file is removed. Killed before, a partial shard
/// of `part`, whose job this is, is left: all its rows are published. The shard has been left out
/// of its index, and is in it afterwards; the part must be locked.
void take_rows_out(std::string const& run_dir, std::string const& part, std::string const& file,
                   std::vector<std::uint64_t> const& kept);

/// Deletes every shard that was withdrawn. Throws Error(io).
void remove_withdrawn(std::string const& run_dir);

}  // namespace ditbatch
