#include "text/character_map.hpp"

#include "core/utf8.hpp"
#include "text/unicode_text.hpp"

namespace ditbatch::text {

namespace {

// Several times the longest of Unicode (33 bytes): no map makes a prompt grow without bounds.
constexpr std::size_t longest_replacement_bytes = 256;

std::uint32_t read_u32(std::string_view bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i);
  return value;
}

// The fields of a unit of a darts-clone double array.
bool has_leaf(std::uint32_t unit) { return ((unit >> 8U) & 1U) == 1; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFFU; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFU; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10U) << ((unit & 0x200U) >> 6U); }

}  // namespace

std::optional<CharacterMap> CharacterMap::parse(std::string_view bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::size_t const trie_bytes = read_u32(bytes, 0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4) return std::nullopt;
  CharacterMap map;
  for (std::size_t offset = 4; offset < 4 + trie_bytes; offset += 4)
    map.units_.push_back(read_u32(bytes, offset));
  map.replacements_ = bytes.substr(4 + trie_bytes);
  return map;
}

// The shortest prefix in the map decides, also when it is shorter than the text.
std::optional<std::string_view> CharacterMap::replacement(std::string_view text) const {
  std::size_t node = offset_of(units_[0]);
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) return std::nullopt;
    std::uint32_t const unit = units_[node];
    node ^= offset_of(unit);
    if (node >= units_.size()) return std::nullopt;
    if (!has_leaf(unit)) continue;
    std::size_t const begin = value_of(units_[node]);
    if (begin > replacements_.size()) return std::nullopt;
    std::string_view const rest =
        std::string_view(replacements_).substr(begin, longest_replacement_bytes + 1);
    std::string_view const found = rest.substr(0, rest.find('\0'));
    if (found.size() > longest_replacement_bytes || find_bad_utf8(found) != std::string_view::npos)
      return std::nullopt;
    return found;
  }
  return std::nullopt;
}

std::string CharacterMap::normalize(std::string_view text) const {
  constexpr std::size_t long_cluster_bytes = 6;
  std::string out;
  for (std::string_view const cluster : graphemes(text)) {
    if (cluster.size() < long_cluster_bytes) {
      if (auto const whole = replacement(cluster)) {
        out += *whole;
        continue;
      }
    }
    for (CodePoint const& point : code_points(cluster)) {
      std::string_view const part = cluster.substr(point.offset, point.size);
      out += replacement(part).value_or(part);
    }
  }
  return out;
}

}  // namespace ditbatch::text
