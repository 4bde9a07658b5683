#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ditbatch {

/// What `ditbatch upgrade` did.
struct UpgradeReport {
  std::uint64_t upgraded_shards = 0;
  std::uint64_t upgraded_images = 0;
  std::uint64_t newest_shards = 0;    // had the newest schema before
  std::uint64_t salvaged_images = 0;  // of jobs that ended early, published on the way
};

/// Rewrites the published shards of older schemas in the newest one, under their names, so that
/// whole size folders have the same columns. Rows keep their record_sha256 with its identity, their
/// pixels are copied as they are stored, and every row is verified before and after. New columns
/// get what is known: phash, phase_s from the ranks' times, the model's name from the session; what
/// is not stays empty or 0 (method, bits, tokens).
///
/// At any instant every image stands in exactly one published shard: a new file takes the place of
/// the old one when it is complete, and the index leaves a shard out while it may be either. Killed
/// in between, it goes on when it is called again. Partial shards that a job left are published
/// first. The run folder and its parts must be locked. Throws Error(io), for a row that does not
/// verify too: repair comes first.
[[nodiscard]] UpgradeReport upgrade_run(std::string const& run_dir);

}  // namespace ditbatch
