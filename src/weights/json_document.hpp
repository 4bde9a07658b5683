#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/problem.hpp"

namespace ditbatch {

/// A JSON file that may come from anybody: read with limits, kept with the places of its keys.
struct JsonDocument {
  std::string path;
  std::string text;
  nlohmann::json value;
  /// Byte offset of the value of each key of the outermost object, and of keys one level below it
  /// as "outer/inner".
  std::map<std::string, std::size_t> offsets;

  [[nodiscard]] Position position(std::string const& key) const;
};

/// A hostile file can be wrong in millions of places: a reader stops after so many.
constexpr std::size_t most_faults = 100;

struct JsonLimits {
  std::size_t size_bytes = std::size_t{64} << 20U;
  std::size_t depth = 64;
};

/// Refuses, with position: bad UTF-8, duplicate keys, NaN, nesting beyond the limit, anything after
/// the document. Never recurses.
[[nodiscard]] std::optional<JsonDocument> parse_json(std::string path, std::string text,
                                                     Problems& problems, JsonLimits limits = {});
[[nodiscard]] std::optional<JsonDocument> load_json(std::string const& path, Problems& problems,
                                                    JsonLimits limits = {});

/// The whole of a regular file. A folder, FIFO or device, or a file above the limit is a problem.
[[nodiscard]] std::optional<std::string> load_file(std::string const& path, std::size_t limit_bytes,
                                                   Problems& problems);

}  // namespace ditbatch
