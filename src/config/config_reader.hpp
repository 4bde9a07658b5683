#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config_keys.hpp"
#include "config/toml.hpp"
#include "core/problem.hpp"

namespace ditbatch::config {

/// What stands before "table.key" in the position of a value from the command line.
inline constexpr std::string_view override_mark = "--set ";

/// TOML's positions count characters; ours count bytes, as editors and compilers do.
class TomlPositions {
 public:
  TomlPositions(std::string file, std::string_view text);
  /// The place of a region in the file, or "--set table.key" for one from the command line.
  [[nodiscard]] Position of(toml::source_region const& region) const;

 private:
  std::string file_;
  std::string_view text_;
  std::vector<std::size_t> line_begins_;
};

/// The visitor of visit_keys() that reads a parsed file. Each key that is visited is known; what is
/// left over is reported by report_unknown_names().
class ConfigReader {
 public:
  /// Relative paths start at `base`. All arguments must outlive the reader.
  ConfigReader(toml::table const& root, TomlPositions const& positions, std::filesystem::path base,
               RunConfig& config, Problems& problems);

  void table(char const* name);
  void text(char const* key, std::string& target);
  void path(char const* key, std::string& target);
  void required_path(char const* key, std::string& target);
  void flag(char const* key, bool& target);
  void number(char const* key, double& target, double least, double most);
  template <class Integer>
  void integer(char const* key, Integer& target, std::int64_t least, std::int64_t most) {
    toml::node const* found = find(key);
    if (auto const value = whole_number(found, least, most)) target = static_cast<Integer>(*value);
  }
  void side(char const* key, std::int64_t& target, std::int64_t least, std::int64_t most) {
    integer(key, target, least, most);
  }
  void text_tokens(char const* key, std::int64_t& target, std::int64_t least, std::int64_t most) {
    integer(key, target, least, most);
  }
  void integer_or_auto(char const* key, std::optional<int>& target, std::int64_t least,
                       std::int64_t most);
  template <class Enum, std::size_t N>
  void choice(char const* key, Enum& target, std::array<Choice<Enum>, N> const& choices) {
    std::vector<std::string_view> names;
    for (auto const& each : choices) names.push_back(each.name);
    if (auto const index = index_of(key, names)) target = choices.at(*index).value;
  }
  void size(char const* key, std::uint64_t& target);
  void limit(char const* key, RecordLimit& target);
  void scheduler(char const* key, std::string& target);
  void loras(char const* key, std::vector<LoraConfig>& target);
  void layouts(char const* key, std::vector<BenchLayout>& target);
  void sizes(char const* key, std::vector<ImageSize>& target);
  void integers(char const* key, std::vector<int>& target, std::int64_t least, std::int64_t most);

  /// Unknown tables and keys become problems, with the nearest known name.
  void report_unknown_names();

 private:
  [[nodiscard]] toml::node const* find(char const* key);
  /// The value if it is a list that is not empty; else none, and a problem that says what it lists.
  [[nodiscard]] toml::array const* find_list(char const* key, char const* of_what);
  [[nodiscard]] std::optional<std::int64_t> whole_number(toml::node const* found,
                                                         std::int64_t least, std::int64_t most);
  [[nodiscard]] std::optional<std::size_t> index_of(char const* key,
                                                    std::vector<std::string_view> const& names);
  /// The text with each ${VAR} replaced; none, and a problem, where that cannot be done.
  [[nodiscard]] std::optional<std::string> expanded(toml::node const& at, std::string const& text);
  void report_unknown_keys(std::string_view name, toml::table const& keys);
  void add_problem(toml::node const& at, std::string const& text);

  toml::table const& root_;
  TomlPositions const& positions_;
  std::filesystem::path base_;
  RunConfig& config_;
  Problems& problems_;
  std::string table_name_;
  std::string key_;
  toml::table const* table_ = nullptr;
  std::map<std::string_view, std::vector<std::string_view>> known_;  // table -> keys
};

}  // namespace ditbatch::config
