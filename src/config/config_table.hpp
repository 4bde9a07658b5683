#pragma once

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch::config {

/// Typed reading of one TOML table. Every key that is asked for is known; the rest is reported at the end.
class ConfigTable {
 public:
  /// `table` may be null: then every key has its default.
  ConfigTable(std::string file, std::string name, toml::table const* table, Problems& problems);

  struct Range {
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
  };
  void read(char const* key, std::string& target);
  void read(char const* key, bool& target);
  void read(char const* key, double& target, double least, double most);
  template <class Integer>
  void read_integer(char const* key, Integer& target, Range range) {
    if (auto const value = integer(key, range)) target = static_cast<Integer>(*value);
  }
  /// "auto" leaves the target empty.
  void read_integer_or_auto(char const* key, std::optional<int>& target, Range range);
  template <class Enum>
  void read_choice(char const* key, Enum& target, std::vector<std::pair<char const*, Enum>> const& choices) {
    std::vector<std::string_view> names;
    for (auto const& choice : choices) names.push_back(choice.first);
    if (auto const index = choice_index(key, names)) target = choices[*index].second;
  }
  /// The node, for what has a form of its own; null if absent. The key counts as known.
  [[nodiscard]] toml::node const* node(char const* key);
  void add_problem(char const* key, toml::node const* at, std::string const& text);
  /// Unknown keys become problems, with the nearest known name.
  void report_unknown_keys();
  [[nodiscard]] bool has(char const* key) const;

 private:
  [[nodiscard]] std::optional<std::int64_t> integer(char const* key, Range range);
  [[nodiscard]] std::optional<std::size_t> choice_index(char const* key, std::vector<std::string_view> const& names);

  std::string file_;
  std::string name_;
  toml::table const* table_;
  Problems& problems_;
  std::vector<std::string_view> known_;
};

[[nodiscard]] Position position_of_node(std::string const& file, toml::node const& node);

}  // namespace ditbatch::config
