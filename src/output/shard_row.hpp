#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bits_number.hpp"
#include "core/sha256.hpp"
#include "core/term.hpp"

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

/// The columns that visit_columns() leaves out.
inline constexpr Term images_column("images", v0_1,
                                    "the pixels, RGB; one chunk an image, deflate, fletcher32");
inline constexpr Term row_hash_column("row_sha256", v0_1,
                                      "of all other columns of the row but the images");

/// Calls visitor.text / .number / .digest / .counts (one for each encoder) / .phases (one for each
/// phase) / .floats (of any length) (name, member) for each column but the images and row_sha256
/// that a row of this version has. Writer, reader, hash and export all go through this one list.
template <class Row, class Visitor>
void visit_columns(Row& row, Visitor&& visitor) {
  visitor.text(Term("id", v0_1, "of the record"), row.id);
  visitor.text(Term("prompt", v0_1, "what was asked for"), row.prompt);
  visitor.text(Term("prompt_2", v0_1, "for the second text encoder; empty: none"), row.prompt_2);
  visitor.text(Term("negative_prompt", v0_1, "`params` says whether there was one"),
               row.negative_prompt);
  visitor.text(Term("scheduler", v0_1, "as asked for; the attribute `models` says which it was"),
               row.scheduler);
  visitor.text(Term("params", v0_1, "JSON: all other fields of the record, its defaults filled in"),
               row.params);
  visitor.text(Term("tags", v0_1, "JSON list of texts, as in the manifest"), row.tags);
  visitor.text(Term("metadata", v0_1, "JSON, as in the manifest"), row.metadata);
  visitor.number(Term("index", v0_1, "of the image among those of its record, from 0"), row.index);
  visitor.number(Term("seed", v0_1, "of the noise"), row.seed);
  visitor.number(Term("width", v0_1, "of the image", "px"), row.width);
  visitor.number(Term("height", v0_1, "of the image", "px"), row.height);
  visitor.number(Term("steps", v0_1, "of denoising"), row.steps);
  visitor.number(Term("guidance_scale", v0_1, "as asked for"), row.guidance_scale);
  visitor.number(Term("true_cfg_scale", v0_1, "as asked for"), row.true_cfg_scale);
  visitor.digest(Term("record_sha256", v0_1,
                      "of what was asked for, made as `identity` says; another one: the record or "
                      "the checkpoint changed"),
                 row.record_sha256);
  visitor.digest(Term("sha256", v0_1, "of the raw pixels"), row.sha256);
  visitor.number(
      Term("pixel_std", v0_1, "standard deviation of all bytes of the image; 0: a constant image"),
      row.pixel_std);
  visitor.number(Term("session", v0_1, "that made it: a folder under sessions/"), row.session);
  visitor.number(Term("replica", v0_1, "that made it"), row.replica);
  visitor.number(Term("finished_ns", v0_1, "when, since 1970 in UTC", "ns"), row.finished_ns);
  visitor.number(Term("attempt", v0_1, "at which it succeeded, from 1"), row.attempt);
  visitor.number(
      Term("exact", v0_1, "1: the same bits on any layout; 0: `method` says what made it"),
      row.exact);
  visitor.number(Term("batch_size", v0_1, "records denoised together with it", "records"),
                 row.batch_size);
  visitor.number(Term("ranks", v0_1, "of the replica", "ranks"), row.ranks);
  visitor.text(Term("layout", v0_1, "degrees of the mesh that made it"), row.layout);
  visitor.text(
      Term("hardware", v0_1,
           "GPU or CPU, libraries and `bits`: only images of one value have comparable bits"),
      row.hardware);
  if (row.version == 1) {
    visitor.floats(Term("timing_s", v0_1, "as by_rank/timing_s", "s"), row.timing_s);
    visitor.floats(Term("device_ms", v0_1, "as by_rank/device_ms", "ms"), row.device_ms);
    return;
  }
  visitor.text(Term("model", v0_2, "its name; the attribute `models` says more of it"), row.model);
  visitor.text(Term("method", v0_2, "what made it other than exact; empty: nothing"), row.method);
  visitor.number(Term("identity", v0_2, "version of what `record_sha256` is made of"),
                 row.identity);
  visitor.number(Term("bits", v0_2, "raised by a program whose images have other bits; 0: unknown"),
                 row.bits);
  visitor.counts(
      Term("tokens", v0_2, "of the prompt by text encoder, special ones included, before cutting",
           "tokens"),
      row.tokens);
  visitor.counts(Term("tokens_cut", v0_2,
                      "of prompt and negative prompt by text encoder, that did not fit", "tokens"),
                 row.tokens_cut);
  visitor.phases(Term("phase_s", v0_2, "wall time by phase, of the slowest rank", "s"),
                 row.phase_s);
  visitor.number(Term("phash", v0_2, "perceptual hash of the pixels, equal to imagehash.phash"),
                 row.phash);
  // In a group: xarray's h5netcdf and pyfive read no file whose root has lists of any length.
  visitor.floats(Term("by_rank/timing_s", v0_2, "wall time, ranks x phases, row-major", "s"),
                 row.timing_s);
  visitor.floats(Term("by_rank/device_ms", v0_2,
                      "what the device worked in each phase, ranks x phases, row-major", "ms"),
                 row.device_ms);
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
