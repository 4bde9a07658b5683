#pragma once

#include "core/term.hpp"

/// Of what run_paths.cpp puts the names in a run folder together.
namespace ditbatch::run_names {

inline constexpr Term shards(
    "shards", v0_1,
    "published: complete, verified, read-only; by image size, numbered without gaps but prune's");
inline constexpr Term index("index.jsonl", v0_1,
                            "a cache of the shards: file, rows, bytes, SHA-256 of the file");
inline constexpr Term failed("failed.jsonl", v0_1,
                             "id, index, attempts, error, checkpoint; made again with another "
                             "checkpoint or --retry-failed, and removed from here by a success");
inline constexpr Term taken_out("taken_out.jsonl", v0_2,
                                "id, index (none: every image of the record), reason: what prune "
                                "keeps from being made");
inline constexpr Term stop("STOP", v0_1, "create it to stop the job cleanly");
inline constexpr Term sessions("sessions", v0_1, "one launch of the program");
inline constexpr Term work(".work", v0_1, "what a job needs while it runs, and leaves if it dies");
inline constexpr Term lock("lock", v0_1, "who works on the folder");
inline constexpr Term parts("parts.json", v0_2, "how many jobs of an array share the folder");
inline constexpr Term partial("partial-", v0_1,
                              "a shard that is being written; the next job goes on from it");
inline constexpr Term journal_of_partial("journal", v0_1,
                                         "of a flush of that shard: done whole or not at all");
inline constexpr Term withdrawn("withdrawn", v0_1, "shards that repair took out and still keeps");
inline constexpr Term regenerated("regenerated", v0_1,
                                  "of `verify --regenerate`: the images made again");
inline constexpr Term early_end("end.json", v0_1, "as that of a session, where none was open yet");

}  // namespace ditbatch::run_names
