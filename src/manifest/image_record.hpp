#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/sampling.hpp"
#include "core/term.hpp"
#include "manifest/image_key.hpp"

namespace ditbatch {

/// One image to make: a manifest line with every default filled in. Lines with `num_images` N
/// become N of these, which differ in `index` and `seed` alone. (id, index) is the key. As in
/// Sampling, the values here are the neutral ones of a record's identity, and must never change.
struct ImageRecord : Sampling {
  std::string id;
  std::uint16_t index = 0;
  std::string prompt;
  std::optional<std::string> prompt_2;
  std::optional<std::string> negative_prompt;
  std::optional<std::string> negative_prompt_2;
  std::uint64_t seed = 0;
  std::vector<std::string> tags;
  std::string metadata = "{}";  // JSON, copied through
  std::uint32_t line = 0;       // of the manifest, for messages

  [[nodiscard]] ImageKey key() const { return {id, index}; }
};

/// Every field that a manifest line may have for an image, by its name there. The manifest's
/// reader, the message between ranks, identity, params and the shard's row all go through this one
/// list (for the key and num_images: visit_line).
template <class Visitor, class Record>
void visit_fields(Visitor& visitor, Record& record) {
  visitor.text(Term("prompt", v0_1, "what the image shows; it may be empty"), record.prompt);
  visitor.second_text(
      Term("prompt_2", v0_1,
           "for the second text encoder (FLUX.1: T5); without it, or empty, the prompt"),
      record.prompt_2);
  visitor.optional_text(Term("negative_prompt", v0_1,
                             "what the guidance leads away from; only with `true_cfg_scale` above "
                             "1, and then an empty one counts"),
                        record.negative_prompt);
  visitor.second_text(
      Term("negative_prompt_2", v0_1,
           "for the second text encoder; without it, or empty, the negative prompt"),
      record.negative_prompt_2);
  visitor.seed(Term("seed", v0_1,
                    "of the noise of image 0; image i has seed + i; without it a hash of job seed, "
                    "id and index"),
               record.seed);
  visit_sampling(visitor, record);
  visitor.tags(Term("tags", v0_1, "copied to the shard"), record.tags);
  visitor.json_text(Term("metadata", v0_1, "copied to the shard"), record.metadata);
}

inline constexpr std::int64_t most_images_per_record = 10'000;

/// Every field of a manifest line. A line has `record` and `images`.
template <class Visitor, class Line>
void visit_line(Visitor& visitor, Line& line) {
  visitor.id(
      Term("id", v0_1, "names the record: 1 to 128 of A-Z a-z 0-9 . _ -, once in a manifest"),
      line.record.id);
  visitor.integer(Term("num_images", v0_1, "images of this record, with index 0, 1, ...", "images"),
                  line.images, 1, most_images_per_record);
  visit_fields(visitor, line.record);
  visitor.refused(Term("loras", v0_1, "kept for later; refused in this version"));
  visitor.refused(Term("control", v0_1, "kept for later; refused in this version"));
}

/// As in diffusers: an empty second prompt, or none, means the first.
[[nodiscard]] inline std::string const& second_or_first(std::optional<std::string> const& second,
                                                        std::string const& first) {
  return second && !second->empty() ? *second : first;
}

}  // namespace ditbatch
