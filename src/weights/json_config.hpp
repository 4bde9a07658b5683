#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch {

/// Which whole numbers a config key may have.
struct IntRange {
  std::int64_t least = 1;
  std::int64_t most = 1'000'000;
};

/// A component's `config.json`: typed, checked look-ups. A key that is absent yields the default of
/// the diffusers or transformers class, which the caller names; one of the wrong type or out of
/// range becomes a Problem with its position, and the default is returned so that checking goes on.
class JsonConfig {
 public:
  /// Reads and parses the file. Adds a Problem (and is empty) where that fails.
  static JsonConfig load(std::string const& path, Problems& problems);
  /// Parses a text; `path` is for messages.
  static JsonConfig parse(std::string const& path, std::string const& text, Problems& problems);

  JsonConfig();
  JsonConfig(JsonConfig const&);
  JsonConfig(JsonConfig&&) noexcept;
  JsonConfig& operator=(JsonConfig const&);
  JsonConfig& operator=(JsonConfig&&) noexcept;
  ~JsonConfig();

  [[nodiscard]] std::string const& path() const;
  [[nodiscard]] bool has(std::string const& key) const;  // present and not null

  [[nodiscard]] std::int64_t get_int(std::string const& key, std::int64_t fallback,
                                     Problems& problems, IntRange range = {}) const;
  [[nodiscard]] double get_double(std::string const& key, double fallback,
                                  Problems& problems) const;
  [[nodiscard]] bool get_bool(std::string const& key, bool fallback, Problems& problems) const;
  [[nodiscard]] std::string get_string(std::string const& key, std::string const& fallback,
                                       Problems& problems) const;
  [[nodiscard]] std::vector<std::int64_t> get_ints(std::string const& key,
                                                   std::vector<std::int64_t> const& fallback,
                                                   Problems& problems, IntRange range = {}) const;
  [[nodiscard]] std::vector<std::string> get_strings(std::string const& key,
                                                     std::vector<std::string> const& fallback,
                                                     Problems& problems) const;
  /// A problem with a key's value, at its position.
  void add_problem(std::string const& key, std::string const& text, Problems& problems) const;

 private:
  struct Document;
  std::shared_ptr<Document const> document_;
};

}  // namespace ditbatch
