#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "output/publish.hpp"
#include "output/run_paths.hpp"
#include "output/shard_file.hpp"
#include "output/tombstones.hpp"

namespace ditbatch {

/// What a run folder holds. The published shards are the truth; index.jsonl is only a cache.
struct RunContents {
  std::map<ImageKey, PublishedRecord> done;      // what every published image was made from
  Tombstones taken_out;                          // nothing of it is done, or salvaged
  std::map<std::string, int> next_shard_number;  // by size folder
  /// The oldest schema of a size folder's shards: what comes to them is written in it, for a reader
  /// may take the columns of one file for those of all.
  std::map<std::string, int> schema_version;
  std::vector<std::string> shards;    // relative to the run folder, sorted
  std::vector<std::string> partials;  // absolute, left by a job that ended early
};

/// `part` is "" for all shards' numbers, or like "p0007": then numbers and partial shards are that
/// part's.
[[nodiscard]] RunContents scan_run(std::string const& run_dir, std::string const& part);

/// What became of a partial shard.
struct Salvage {
  std::uint64_t kept_rows = 0;
  std::uint64_t lost_rows = 0;     // did not verify
  std::uint64_t doubled_rows = 0;  // published before
  std::uint64_t taken_out_rows = 0;
  std::optional<PublishedShard> published;
};

/// Who wrote a partial shard: a job whose end is proven, or one that may come back and go on
/// writing to the same file. Of the latter's a copy is published, never the file itself.
enum class LastWriter { gone, perhaps_alive };

/// Publishes the rows of a partial shard that verify and are not in `contents` yet as a short
/// shard, and adds them to `contents`. A flush that was cut off is brought to its end first. A file
/// that HDF5 cannot read then holds nothing that was flushed: it is removed, with a warning. Throws
/// Error(io) where the system refuses to read or write.
[[nodiscard]] Salvage salvage_partial(std::string const& partial, std::string const& run_dir,
                                      std::string const& part, RunContents& contents,
                                      LastWriter writer = LastWriter::gone);

/// The same for all partial shards of all parts. -> rows that were kept
std::uint64_t salvage_all(std::string const& run_dir, LastWriter writer);

/// " (fox-1[0]): cannot be read (why)" for a row; without its name where that cannot be read
/// either.
[[nodiscard]] std::string unreadable_text(ShardFile const& shard, std::uint64_t row,
                                          Error const& error);

/// The lines of every part's index, by file.
[[nodiscard]] std::map<std::string, IndexLine> read_all_indexes(std::string const& run_dir);

/// Makes index.jsonl list the shards of this part: lines of known shards stay, others go, missing
/// ones are made from the files.
void rebuild_index(std::string const& path, std::string const& run_dir, RunContents const& contents,
                   std::string const& part);

/// The same for every part that has shards or an index.
void rebuild_indexes(std::string const& run_dir);

/// Takes shards out of all indexes, before they are replaced: a line with the hash of an old file
/// must not stand when a new one has taken its place.
void leave_out_of_indexes(std::string const& run_dir, std::vector<std::string> const& files);

/// Makes sessions/NNNN, the next free number, and returns it.
[[nodiscard]] int make_session_folder(std::string const& run_dir);

}  // namespace ditbatch
