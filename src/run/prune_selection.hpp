#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "output/prune_run.hpp"
#include "output/shard_file.hpp"
#include "output/tombstones.hpp"

namespace ditbatch {

/// What `ditbatch prune` is told to take out: one of the first two, or rows that all of the last
/// three fit. Nothing: what has a tombstone already.
struct PruneRequest {
  std::string ids_file;  // a line is "fox", every image of that record, or "fox[2]"
  bool not_in_manifest = false;
  std::string gpu_uuid;
  std::optional<int> session;
  std::optional<std::int64_t> since_ns;  // 1970
};

/// "2026-03-01", "2026-03-01T12:30", "2026-03-01T12:30:00Z" or "...+01:00"; without a zone UTC.
/// -> nanoseconds since 1970. Throws Error(usage).
[[nodiscard]] std::int64_t parse_time_ns(std::string const& text);

/// The images that a request means.
class PruneSelection {
 public:
  /// Reads the ids, the manifest of the newest session or who ran where, whichever is needed.
  /// Throws Error(bad_input) where that cannot be had.
  PruneSelection(PruneRequest request, std::string run_dir);

  /// Whether a published image is meant. Throws Error(bad_input) where nobody knows which GPU made
  /// it.
  [[nodiscard]] bool has(RowKey const& row);

  /// Tombstones for what is taken out. Of the ids those that somebody knows: shards, manifest or
  /// earlier tombstones; all of them where the manifest cannot be read.
  void add_tombstones(PrunePlan const& plan, std::string const& reason, std::string const& now,
                      Tombstones& tombstones) const;
  /// Removes the tombstones of what is meant, so that it is made again. -> how many
  std::size_t lift_tombstones(Tombstones& tombstones) const;
  /// Ids that neither shards, manifest nor tombstones know. Empty where the manifest cannot be
  /// read.
  [[nodiscard]] std::vector<std::string> unknown(PrunePlan const& plan,
                                                 Tombstones const& tombstones) const;
  /// Why the manifest cannot be read; else empty.
  [[nodiscard]] std::string const& without_manifest() const { return without_manifest_; }

 private:
  using Known = std::map<std::string, std::set<std::uint16_t>>;
  [[nodiscard]] Known known(PrunePlan const& plan, Tombstones const& tombstones) const;
  [[nodiscard]] bool is_by_gpu(RowKey const& row);

  PruneRequest request_;
  std::string run_dir_;
  std::set<ImageChoice> listed_;
  std::set<ImageKey> manifest_;
  std::string without_manifest_;
  std::map<int, std::set<int>> replicas_with_gpu_;  // by session; those whose ranks are known
};

}  // namespace ditbatch
