#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/sampling.hpp"
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
/// list (num_images and the key are the reader's own).
template <class Visitor, class Record>
void visit_fields(Visitor& visitor, Record& record) {
  visitor.text("prompt", record.prompt);
  visitor.second_text("prompt_2", record.prompt_2);  // an empty one means the first
  visitor.optional_text("negative_prompt", record.negative_prompt);
  visitor.second_text("negative_prompt_2", record.negative_prompt_2);
  visitor.seed("seed", record.seed);
  visit_sampling(visitor, record);
  visitor.tags("tags", record.tags);
  visitor.json_text("metadata", record.metadata);
}

/// As in diffusers: an empty second prompt, or none, means the first.
[[nodiscard]] inline std::string const& second_or_first(std::optional<std::string> const& second,
                                                        std::string const& first) {
  return second && !second->empty() ? *second : first;
}

}  // namespace ditbatch
