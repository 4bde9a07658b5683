#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/term.hpp"

namespace ditbatch {

// Every name in a run folder, made and parsed here and nowhere else. A part is one job of an array
// on one folder, "p0007"; "" is a job that works on the whole manifest. Paths begin with `run_dir`
// but for those of shards, which are relative to it, as the index has them.
// run_folder_files() lists them all.

/// "p0007"
[[nodiscard]] std::string part_name(int index);

/// "1024x768"
[[nodiscard]] std::string size_folder(std::int64_t width_px, std::int64_t height_px);

struct ShardName {
  std::string size;  // "1024x768"
  int number = 0;    // without gaps for each size and part
  std::string part;
};
/// "shards/1024x768/p0007-000012.h5": six digits, or as many as it takes.
[[nodiscard]] std::string shard_path(ShardName const& name);
/// Nothing where the file has another name than shard_path() makes.
[[nodiscard]] std::optional<ShardName> parse_shard_path(std::string const& file);
/// What stands under shards/, sorted, relative to the run folder.
struct ShardsFolder {
  std::vector<std::string> shards;  // files with a shard's name, whatever they hold
  /// What else whoever reads *.h5 there would meet: files of other names, and what has the name of
  /// a shard or of a size's folder and is none: a folder, a pipe, a link to nowhere.
  std::vector<std::string> foreign;
};
[[nodiscard]] ShardsFolder list_shards(std::string const& run_dir);
/// list_shards() without what is foreign.
[[nodiscard]] std::vector<std::string> shard_files(std::string const& run_dir);
/// "shards/64x64/a.h5: is no shard of this program (why) what to do"
[[nodiscard]] std::string foreign_text(std::string const& file);
/// Where a shard lies, of which the index has this name.
[[nodiscard]] std::string shard_in(std::string const& run_dir, std::string const& file);
/// The name of the folder that a shard lies in, "1024x768"
[[nodiscard]] std::string size_of_shard(std::string const& file);

[[nodiscard]] std::string index_path(std::string const& run_dir, std::string const& part);
[[nodiscard]] std::string failed_path(std::string const& run_dir, std::string const& part);
[[nodiscard]] std::string stop_path(std::string const& run_dir);
[[nodiscard]] std::string taken_out_path(std::string const& run_dir);

/// A file that the whole folder has one of and each part another one.
struct PartFile {
  std::string path;
  std::string part;
};
/// Those that are there, sorted.
[[nodiscard]] std::vector<PartFile> index_files(std::string const& run_dir);
[[nodiscard]] std::vector<PartFile> failed_files(std::string const& run_dir);
[[nodiscard]] std::vector<PartFile> lock_files(std::string const& run_dir);

[[nodiscard]] std::string work_folder(std::string const& run_dir);
/// How the records are divided among jobs.
[[nodiscard]] std::string parts_path(std::string const& run_dir);
[[nodiscard]] std::string lock_path(std::string const& run_dir, std::string const& part);
/// `rest` tells the partial shards of a part from each other.
[[nodiscard]] std::string partial_path(std::string const& run_dir, std::string const& part,
                                       std::string const& rest);
/// The partial shards of this part, sorted.
[[nodiscard]] std::vector<std::string> partial_files(std::string const& run_dir,
                                                     std::string const& part);
/// The parts that have partial shards, and "" if the whole folder has.
[[nodiscard]] std::vector<std::string> parts_with_partials(std::string const& run_dir);
/// Where the rows of a partial shard are copied to that can be kept.
[[nodiscard]] std::string cut_path(std::string const& partial);
/// Where published shards are moved to that are taken out.
[[nodiscard]] std::string withdrawn_folder(std::string const& run_dir);
/// Where a published shard is moved to that is taken out; a name that no file has yet.
[[nodiscard]] std::string withdrawn_path(std::string const& run_dir, std::string const& file);
/// A run folder of its own for images that are made again to be compared.
[[nodiscard]] std::string regenerated_folder(std::string const& run_dir);

/// The files of one session, and folders with files of rank_name().
struct SessionPaths {
  std::string folder;
  std::string run_toml, session_json, metrics, ranks, summary, end;
  std::string trace, logs, dumps;
};

enum class PathKind { file, folder };

/// Calls visit(name, member, kind) for each of SessionPaths beneath the folder.
template <class Visitor, class Paths>
void visit_session(Visitor&& visit, Paths& paths) {
  visit(Term("run.toml", v0_1, "the effective config"), paths.run_toml, PathKind::file);
  visit(Term("session.json", v0_1,
             "who ran where with what: ranks, hosts, GPUs, versions, chosen variables of the "
             "environment"),
        paths.session_json, PathKind::file);
  visit(Term("metrics.prom", v0_1, "the metrics below, every 10 s"), paths.metrics, PathKind::file);
  visit(Term("ranks.json", v0_1, "what each rank does, every 10 s"), paths.ranks, PathKind::file);
  visit(Term("summary.json", v0_1,
             "at a good end: images, failures, rates, time by phase and rank, use of GPUs"),
        paths.summary, PathKind::file);
  visit(Term("end.json", v0_1,
             "at every end that can be told: code, cause, host, rank, record, what to read and do"),
        paths.end, PathKind::file);
  visit(Term("trace", v0_1, "spans of each rank, while it runs; `ditbatch timeline` reads them"),
        paths.trace, PathKind::folder);
  visit(Term("logs", v0_1, "what each rank had to say"), paths.logs, PathKind::folder);
  visit(Term("dumps", v0_1, "stacks and last spans: of a job that is stuck, or on SIGUSR2"),
        paths.dumps, PathKind::folder);
}
[[nodiscard]] SessionPaths session_paths(std::string const& run_dir, int session);
/// The same, of a session's folder.
[[nodiscard]] SessionPaths paths_in_session(std::string const& folder);
/// "sessions/0003" beneath the run folder
[[nodiscard]] std::string session_folder(std::string const& run_dir, int session);
/// Numbers of the sessions that are there, rising.
[[nodiscard]] std::vector<int> session_numbers(std::string const& run_dir);
/// Where a rank writes its spans.
[[nodiscard]] std::string trace_path(SessionPaths const& session, int rank);
/// Those that are there, by rank; *.h5 in the first sessions of version 0.1.
[[nodiscard]] std::map<int, std::string> trace_files(SessionPaths const& session);
/// "rank-0012": how a rank's files begin
[[nodiscard]] std::string rank_name(int rank);

}  // namespace ditbatch
