// The values of [bench] that are lists.
#include <charconv>
#include <string>

#include "config/config_keys.hpp"
#include "config/config_reader.hpp"

namespace ditbatch::config {

namespace {

// "1024x768"
std::optional<ImageSize> parse_image_size(std::string const& text) {
  ImageSize size;
  char const* const end = text.data() + text.size();
  auto const width = std::from_chars(text.data(), end, size.width_px);
  if (width.ec != std::errc() || width.ptr == end || *width.ptr != 'x') return std::nullopt;
  auto const height = std::from_chars(width.ptr + 1, end, size.height_px);
  auto const fits = [](std::int64_t side_px) { return side_px >= 1 && side_px <= largest_side_px; };
  if (height.ec != std::errc() || height.ptr != end) return std::nullopt;
  return fits(size.width_px) && fits(size.height_px) ? std::optional(size) : std::nullopt;
}

}  // namespace

toml::array const* ConfigReader::find_list(char const* key, char const* of_what) {
  toml::node const* found = find(key);
  if (found == nullptr) return nullptr;
  toml::array const* list = found->as_array();
  if (list != nullptr && !list->empty()) return list;
  add_problem(*found, std::string("is ") + (list != nullptr ? "an empty list" : "no list") +
                          " (it lists " + of_what + ")");
  return nullptr;
}

void ConfigReader::layouts(char const* key, std::vector<BenchLayout>& target) {
  toml::array const* list = find_list(key, "layouts such as { ulysses = 2 }");
  if (list == nullptr) return;
  target.clear();
  std::string const name = table_name_ + "." + key;
  for (toml::node const& node : *list) {
    toml::table const* table = node.as_table();
    if (table == nullptr) {
      add_problem(node, "holds something else than a layout (write, for example, { ulysses = 2 })");
      continue;
    }
    // A table of its own, with the same checks of values and names.
    ConfigReader inner(root_, positions_, base_, config_, problems_);
    inner.table_name_ = name;
    inner.table_ = table;
    visit_layout(inner, target.emplace_back());
    inner.report_unknown_keys(name, *table);
  }
}

void ConfigReader::sizes(char const* key, std::vector<ImageSize>& target) {
  toml::array const* list = find_list(key, "sizes such as \"1024x768\"");
  if (list == nullptr) return;
  target.clear();
  for (toml::node const& node : *list) {
    auto const text = node.value_exact<std::string>();
    auto const size = text ? parse_image_size(*text) : std::nullopt;
    if (size) {
      target.push_back(*size);
    } else {
      add_problem(node,
                  "holds something else than a size (write width and height in pixels: "
                  "\"1024x768\", up to 65535)");
    }
  }
}

void ConfigReader::integers(char const* key, std::vector<int>& target, std::int64_t least,
                            std::int64_t most) {
  toml::array const* list = find_list(key, "whole numbers");
  if (list == nullptr) return;
  target.clear();
  for (toml::node const& node : *list) {
    if (auto const value = whole_number(&node, least, most))
      target.push_back(static_cast<int>(*value));
  }
}

}  // namespace ditbatch::config
