#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/sha256.hpp"

namespace ditbatch {

/// One row of a shard: an image and all that is known of it. visit_columns() is the list of
/// columns.
struct ShardRow {
  std::vector<std::uint8_t> pixels;  // (height, width, 3)
  std::string id, prompt, prompt_2, negative_prompt, scheduler;
  std::string params;    // JSON
  std::string tags;      // JSON list
  std::string metadata;  // JSON
  std::uint16_t index = 0;
  std::uint64_t seed = 0;
  std::uint16_t width = 0, height = 0, steps = 0;
  float guidance_scale = 0, true_cfg_scale = 1;
  Sha256Digest record_sha256{};  // of the effective record
  Sha256Digest sha256{};         // of the pixels; set by seal()
  Sha256Digest row_sha256{};     // of all other columns; set by seal()
  float pixel_std = 0;           // over all bytes; set by seal()
  std::uint16_t session = 0, replica = 0;
  std::int64_t finished_ns = 0;  // since 1970
  std::uint8_t attempt = 1, exact = 1;
  std::uint16_t batch_size = 1, ranks = 1;
  std::string layout, hardware;
  std::vector<float> timing_s, device_ms;  // ranks x phases, row-major
};

/// Calls visitor.text / .number / .digest / .floats (name, member) for each column but the images
/// and row_sha256. Writer, reader, hash and export all go through this one list.
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
  visitor.floats("timing_s", row.timing_s);
  visitor.floats("device_ms", row.device_ms);
}

/// Fills in sha256, pixel_std and row_sha256.
void seal(ShardRow& row);
[[nodiscard]] Sha256Digest hash_columns(ShardRow const& row);
/// What does not fit the hashes of a row, or "".
[[nodiscard]] std::string broken_part(ShardRow const& row);

}  // namespace ditbatch
