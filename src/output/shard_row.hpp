#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bits_number.hpp"
#include "core/sha256.hpp"

namespace ditbatch {

/// The newest version of the schema. A column that comes to it raises this, and stands in
/// visit_columns() behind the question for its version: shards of every version up to this one are
/// read, hashed, verified, salvaged and exported as what they are.
inline constexpr int shard_schema_version = 2;

/// The text encoders that a model may have, by the names of their folders: columns of
/// EncoderCounts.
inline constexpr std::array<char const*, 3> encoder_names{"text_encoder", "text_encoder_2",
                                                          "text_encoder_3"};
using EncoderCounts = std::array<std::uint16_t, encoder_names.size()>;

/// One row of a shard: an image and all that is known of it. visit_columns() is the list of
/// columns.
struct ShardRow {
  int version = shard_schema_version;  // of the shard that it stands in
  std::vector<std::uint8_t> pixels;    // (height, width, 3)
  std::string id, prompt, prompt_2, negative_prompt, scheduler;
  std::string params;    // JSON
  std::string tags;      // JSON list
  std::string metadata;  // JSON
  std::uint16_t index = 0;
  std::uint64_t seed = 0;
  std::uint16_t width = 0, height = 0, steps = 0;
  float guidance_scale = 0, true_cfg_scale = 1;
  Sha256Digest record_sha256{};  // of the effective record
  /// What record_sha256 is in a shard of version 1, whose rows are all of identity 1; none: the
  /// same.
  std::optional<Sha256Digest> record_sha256_1;
  std::uint8_t identity = 1;  // what record_sha256 is made of; 1 in shards of version 1
  Sha256Digest sha256{};      // of the pixels; set by seal()
  Sha256Digest row_sha256{};  // of all other columns; set by seal()
  float pixel_std = 0;        // over all bytes; set by seal()
  std::uint16_t session = 0, replica = 0;
  std::int64_t finished_ns = 0;  // since 1970
  std::uint8_t attempt = 1, exact = 1;
  std::uint16_t batch_size = 1, ranks = 1;
  std::string layout, hardware;
  std::vector<float> timing_s, device_ms;  // ranks x phases, row-major
  // Since version 2. What a shard of version 1 did not tell is empty or 0 when it is upgraded.
  std::string model;                 // its name; the shard's attribute `models` says more
  std::string method;                // what made the image other than exact; empty: nothing
  std::uint16_t bits = bits_number;  // 0: unknown
  EncoderCounts tokens{};            // of the prompt, special ones included, before cutting
  EncoderCounts tokens_cut{};        // of prompts and negative prompts, that did not fit
  std::vector<float> phase_s;        // for each phase the slowest rank
  std::uint64_t phash = 0;           // perceptual_hash() of the pixels; set by seal()
};

/// Calls visitor.text / .number / .digest / .counts (one for each encoder) / .phases (one for each
/// phase) / .floats (of any length) (name, member) for each column but the images and row_sha256
/// that a row of this version has. Writer, reader, hash and export all go through this one list.
template <class Row, class Visitor>
void visit_columns(Row& row, Visitor&& visitor) {
  visitor.text("id", row.id);
  visitor.text("prompt", row.prompt);
  visitor.text("prompt_2", row.prompt_2);
  visitor.text("negative_prompt", row.negative_prompt);
  visitor.text("scheduler", row.scheduler);
  visitor.text("params", row.params);
  visitor.text("tags", row.tags);
  visitor.text("metadata", row.metadata);
  visitor.number("index", row.index);
  visitor.number("seed", row.seed);
  visitor.number("width", row.width);
  visitor.number("height", row.height);
  visitor.number("steps", row.steps);
  visitor.number("guidance_scale", row.guidance_scale);
  visitor.number("true_cfg_scale", row.true_cfg_scale);
  visitor.digest("record_sha256", row.record_sha256);
  visitor.digest("sha256", row.sha256);
  visitor.number("pixel_std", row.pixel_std);
  visitor.number("session", row.session);
  visitor.number("replica", row.replica);
  visitor.number("finished_ns", row.finished_ns);
  visitor.number("attempt", row.attempt);
  visitor.number("exact", row.exact);
  visitor.number("batch_size", row.batch_size);
  visitor.number("ranks", row.ranks);
  visitor.text("layout", row.layout);
  visitor.text("hardware", row.hardware);
  if (row.version == 1) {
    visitor.floats("timing_s", row.timing_s);
    visitor.floats("device_ms", row.device_ms);
    return;
  }
  visitor.text("model", row.model);
  visitor.text("method", row.method);
  visitor.number("identity", row.identity);
  visitor.number("bits", row.bits);
  visitor.counts("tokens", row.tokens);
  visitor.counts("tokens_cut", row.tokens_cut);
  visitor.phases("phase_s", row.phase_s);
  visitor.number("phash", row.phash);
  // In a group: xarray's h5netcdf and pyfive read no file whose root has lists of any length.
  visitor.floats("by_rank/timing_s", row.timing_s);
  visitor.floats("by_rank/device_ms", row.device_ms);
}

/// For each phase the longest that a rank took. timing_s: ranks x phases, row-major.
[[nodiscard]] std::vector<float> slowest_ranks(std::vector<float> const& timing_s,
                                               std::size_t phases);

/// Fills in sha256, pixel_std, phash and row_sha256.
void seal(ShardRow& row);
[[nodiscard]] Sha256Digest hash_columns(ShardRow const& row);
/// Whether all bytes of the image are the same, of a sealed row.
[[nodiscard]] inline bool is_constant(ShardRow const& row) { return row.pixel_std == 0; }
/// What does not fit the hashes of a row, or "".
[[nodiscard]] std::string broken_part(ShardRow const& row);

}  // namespace ditbatch
