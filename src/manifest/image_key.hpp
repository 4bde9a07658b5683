#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

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

/// One image of a record, or every image that it has or will have.
struct ImageChoice {
  std::string id;
  std::optional<std::uint16_t> index;  // none: every image
  friend auto operator<=>(ImageChoice const&, ImageChoice const&) = default;
};

/// "fox[2]", or "fox" for every image; what is no image_name() is taken as an id.
[[nodiscard]] inline ImageChoice parse_image_choice(std::string const& text) {
  std::size_t const bracket = text.find('[');
  if (bracket == std::string::npos) return {text, std::nullopt};
  std::uint16_t index = 0;
  std::from_chars(text.data() + bracket + 1, text.data() + text.size(), index);
  ImageKey const key{text.substr(0, bracket), index};
  if (image_name(key) != text) return {text, std::nullopt};
  return {key.id, key.index};
}

}  // namespace ditbatch
