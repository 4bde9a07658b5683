#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "core/problem.hpp"
#include "manifest/image_record.hpp"
#include "manifest/record_rules.hpp"

namespace ditbatch {

/// Reads a JSONL manifest (one object a line; blank lines are skipped, CRLF is accepted) into one
/// record an image, with defaults from [sampling]. Every problem of every line is added, with line
/// and column.
[[nodiscard]] std::vector<ImageRecord> read_manifest(std::string const& path,
                                                     RunConfig const& config,
                                                     RecordRules const& rules, Problems& problems);

/// The same from a text.
[[nodiscard]] std::vector<ImageRecord> parse_manifest(std::string const& path,
                                                      std::string const& text,
                                                      RunConfig const& config,
                                                      RecordRules const& rules, Problems& problems);

/// The seed of an image of a record that names none: the first 8 bytes, little endian, of SHA-256
/// of job seed (decimal), NUL, id, NUL, index (decimal).
[[nodiscard]] std::uint64_t hashed_seed(std::uint64_t job_seed, std::string const& id,
                                        std::uint16_t index);

/// Whether an id belongs to part `index` of `count`, by its hash: never by its place in the
/// manifest.
[[nodiscard]] bool is_in_part(std::string const& id, int index, int count);

}  // namespace ditbatch
