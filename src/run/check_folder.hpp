#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "run/changed_images.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

/// How fast an earlier session of the run folder was.
struct EarlierPace {
  int session = 0;
  int ranks = 0;
  double images_per_s = 0;
};

/// What a job that starts now would find in its run folder.
struct FolderOutlook {
  std::size_t made = 0;
  std::size_t to_make = 0;
  std::size_t failed_before = 0;  // not tried again without --retry-failed
  std::size_t taken_out = 0;      // by prune, not made
  std::size_t partials = 0;       // shards of a job that ended early: what is whole in them is kept
  std::map<std::string, std::size_t> to_make_by_size;  // "1024x768"
  std::uint64_t pixel_bytes = 0;                       // of what is to make
  /// On disk, as much an image as the shards that are there take; none: there are none.
  std::optional<std::uint64_t> disk_bytes;
  std::optional<std::uint64_t> free_bytes;
  std::optional<EarlierPace> pace;
  Problems changes;                   // of published images that are asked for otherwise now
  std::vector<std::string> barriers;  // why a job could not start, or not come to its end
};

/// Reads the run folder and writes nothing. Takes some seconds where a job seems to work on it.
[[nodiscard]] FolderOutlook look_at_folder(JobInput const& input, std::optional<ManifestPart> part,
                                           ListAll all);

}  // namespace ditbatch
