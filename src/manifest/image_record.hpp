#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ditbatch {

/// One image to make: a manifest line with every default filled in. Lines with `num_images` N
/// become N of these, which differ in `index` and `seed` alone. (id, index) is the key.
struct ImageRecord {
  std::string id;
  std::uint16_t index = 0;
  std::string prompt;
  std::optional<std::string> prompt_2;
  std::optional<std::string> negative_prompt;
  std::optional<std::string> negative_prompt_2;
  std::uint64_t seed = 0;
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  std::int64_t steps = 0;
  double guidance_scale = 0;
  double true_cfg_scale = 1;
  std::int64_t max_sequence_length = 512;
  std::string scheduler = "auto";
  std::vector<std::string> tags;
  std::string metadata = "{}";  // JSON, copied through
  std::uint32_t line = 0;       // of the manifest, for messages; not part of the record's identity

  /// As in diffusers: Flux runs the unconditional branch only for a scale above 1 and a negative
  /// prompt that is there (an empty one counts).
  [[nodiscard]] bool uses_true_cfg() const {
    return true_cfg_scale > 1.0 && negative_prompt.has_value();
  }
};

}  // namespace ditbatch
