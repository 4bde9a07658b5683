#pragma once

#include <cstdint>
#include <string>

namespace ditbatch {

/// What names an image in a run: the record and which of its images.
struct ImageKey {
  std::string id;
  std::uint16_t index = 0;
  friend auto operator<=>(ImageKey const&, ImageKey const&) = default;
};

/// "fox[2]": how reports name an image.
[[nodiscard]] inline std::string image_name(ImageKey const& key) {
  return key.id + "[" + std::to_string(key.index) + "]";
}

}  // namespace ditbatch
