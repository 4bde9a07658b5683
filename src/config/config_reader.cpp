#include "config/config_reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "config/quantities.hpp"
#include "core/utf8.hpp"

namespace ditbatch::config {

namespace fs = std::filesystem;

namespace {

// A value as a message shows it. Tables and lists by their kind alone: they may be deep and long.
std::string described(toml::node const& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  if (auto const text = node.value_exact<std::string>()) return "the text " + in_quotes(*text);
  if (auto const number = node.value_exact<double>()) return shortest_text(*number);
  if (auto const flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  std::ostringstream text;
  node.visit([&](auto const& value) {
    if constexpr (toml::is_value<decltype(value)>) text << value;
  });
  return text.str();
}

std::string hint(std::string const& near, std::string const& otherwise) {
  return near.empty() ? " " + otherwise : " did you mean " + in_quotes(near) + "?";
}

}  // namespace

TomlPositions::TomlPositions(std::string file, std::string_view text)
    : file_(std::move(file)), text_(text), line_begins_{0} {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line_begins_.push_back(i + 1);
  }
}

Position TomlPositions::of(toml::source_region const& region) const {
  if (region.path && region.path->starts_with(override_mark)) return {*region.path};
  if (region.begin.line == 0 || region.begin.line > line_begins_.size()) return {file_};
  std::size_t const line_begin = line_begins_[region.begin.line - 1];
  std::size_t at = line_begin;
  for (toml::source_index column = 1; column < region.begin.column && at < text_.size(); ++column) {
    at += std::max<std::size_t>(utf8_length_at(text_, at), 1);
  }
  return {file_, region.begin.line, at - line_begin + 1};
}

ConfigReader::ConfigReader(toml::table const& root, TomlPositions const& positions, fs::path base,
                           RunConfig& config, Problems& problems)
    : root_(root),
      positions_(positions),
      base_(std::move(base)),
      config_(config),
      problems_(problems) {}

void ConfigReader::add_problem(toml::node const& at, std::string const& text) {
  problems_.add(positions_.of(at.source()), table_name_ + "." + key_, text);
}

void ConfigReader::table(char const* name) {
  table_name_ = name;
  known_[name];
  toml::node const* node = root_.get(name);
  table_ = node == nullptr ? nullptr : node->as_table();
  if (node != nullptr && table_ == nullptr) {
    problems_.add(positions_.of(node->source()), name,
                  "is " + described(*node) + " (it must be a table) write [" + name + "]");
  }
}

toml::node const* ConfigReader::find(char const* key) {
  known_[table_name_].emplace_back(key);
  key_ = key;
  toml::node const* found = table_ == nullptr ? nullptr : table_->get(key);
  if (found != nullptr) {
    config_.set_at[table_name_ + "." + key] = positions_.of(found->source());
  }
  return found;
}

void ConfigReader::text(char const* key, std::string& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  auto const value = found->value_exact<std::string>();
  if (!value) {
    return add_problem(*found, "is " + described(*found) + " (a text is needed) put it in quotes");
  }
  auto const is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(value->begin(), value->end(), is_control)) {
    return add_problem(*found, "not usable: " + in_quotes(*value) +
                                   " (control characters spoil every report) remove them");
  }
  target = *value;
}

std::optional<std::string> ConfigReader::expanded(toml::node const& at, std::string const& text) {
  std::string out;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text.compare(i, 2, "${") != 0) {
      out += text[i++];
      continue;
    }
    std::size_t const end = text.find('}', i);
    if (end == std::string::npos) {
      add_problem(at, "has ${ without } (a variable is written ${NAME}) close it");
      return std::nullopt;
    }
    std::string const name = text.substr(i + 2, end - i - 2);
    char const* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') {
      add_problem(at, "the variable " + in_quotes(name) +
                          (value == nullptr ? " is not set" : " is empty") +
                          " (the path uses it) export it, or write the path out");
      return std::nullopt;
    }
    out += value;
    i = end + 1;
  }
  return out;
}

void ConfigReader::path(char const* key, std::string& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  auto const text = found->value_exact<std::string>();
  if (!text) {
    return add_problem(*found, "is " + described(*found) + " (a path is needed) put it in quotes");
  }
  if (text->empty())
    return add_problem(*found, "is empty (a path is needed) name a file or folder");
  if (text->find('\0') != std::string::npos) {
    return add_problem(*found, "holds a NUL character (no path does) remove it");
  }
  if (text->front() == '~') {
    return add_problem(*found, "begins with ~ (only a shell expands it) write ${HOME}");
  }
  auto const plain = expanded(*found, *text);
  if (!plain) return;
  fs::path const joined = base_ / *plain;
  // "a/../b" stays: where a is a symbolic link it is not b.
  bool const goes_up = std::find(joined.begin(), joined.end(), "..") != joined.end();
  target = goes_up ? joined : joined.lexically_normal();
}

void ConfigReader::required_path(char const* key, std::string& target) {
  path(key, target);
  if (table_ == nullptr || !table_->contains(key)) {
    bool const has_place = table_ != nullptr && table_->source().begin.line != 0;
    problems_.add(
        has_place ? positions_.of(table_->source()) : Position{config_.config_path},
        table_name_ + "." + key,
        std::string("missing (a run needs it) add ") + key + " = \"...\" to [" + table_name_ + "]");
  }
}

void ConfigReader::flag(char const* key, bool& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  if (auto const value = found->value_exact<bool>()) {
    target = *value;
  } else {
    add_problem(*found, "is " + described(*found) + " (must be true or false, without quotes)");
  }
}

void ConfigReader::number(char const* key, double& target, double least, double most) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  std::optional<double> value = found->value_exact<double>();
  if (!value) {
    if (auto const whole = found->value_exact<std::int64_t>()) value = static_cast<double>(*whole);
  }
  if (value && std::isfinite(*value) && *value >= least && *value <= most) {
    target = *value;
    return;
  }
  add_problem(*found, "is " + described(*found) + " (must be a number from " +
                          shortest_text(least) + " to " + shortest_text(most) + ")");
}

std::optional<std::int64_t> ConfigReader::whole_number(toml::node const* found, std::int64_t least,
                                                       std::int64_t most) {
  if (found == nullptr) return std::nullopt;
  auto const value = found->value_exact<std::int64_t>();
  if (value && *value >= least && *value <= most) return value;
  std::string const range = std::to_string(least) + " to " + std::to_string(most);
  add_problem(*found, "is " + described(*found) + " (must be a whole number from " + range + ")");
  return std::nullopt;
}

void ConfigReader::integer_or_auto(char const* key, std::optional<int>& target, std::int64_t least,
                                   std::int64_t most) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  if (found->is_string()) {
    if (found->value_exact<std::string>() == "auto") return target.reset();
    return add_problem(*found, "is " + described(*found) +
                                   " (must be a whole number without quotes, or \"auto\")");
  }
  if (auto const value = whole_number(found, least, most)) target = static_cast<int>(*value);
}

std::optional<std::size_t> ConfigReader::index_of(char const* key,
                                                  std::vector<std::string_view> const& names) {
  toml::node const* found = find(key);
  if (found == nullptr) return std::nullopt;
  auto const value = found->value_exact<std::string>();
  auto const match = value ? std::find(names.begin(), names.end(), *value) : names.end();
  if (match != names.end()) return static_cast<std::size_t>(match - names.begin());
  std::string list;
  for (std::string_view name : names) {
    list.append(list.empty() ? "\"" : ", \"").append(name).append("\"");
  }
  std::string const near = value ? nearest_name(*value, names) : "";
  add_problem(*found, "is " + described(*found) + " (must be one of " + list + ")" +
                          (near.empty() ? "" : hint(near, "")));
  return std::nullopt;
}

void ConfigReader::size(char const* key, std::uint64_t& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  std::optional<std::uint64_t> value;
  if (auto const text = found->value_exact<std::string>()) value = parse_size(*text);
  if (auto const whole = found->value_exact<std::int64_t>()) value = size_of(*whole);
  if (value) {
    target = *value;
  } else {
    add_problem(*found, "is " + described(*found) +
                            " (must be a size: bytes, or a text such as \"512MiB\" or \"2GiB\")");
  }
}

void ConfigReader::limit(char const* key, RecordLimit& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  std::optional<RecordLimit> value;
  if (auto const text = found->value_exact<std::string>()) value = parse_limit(*text);
  if (auto const whole = found->value_exact<std::int64_t>()) value = limit_of(*whole);
  if (value) {
    target = *value;
  } else {
    add_problem(*found, "is " + described(*found) +
                            " (must be a number of records, or a share such as \"0.1%\")");
  }
}

void ConfigReader::scheduler(char const* key, std::string& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  if (found->value_exact<std::string>() == "auto") {
    target = "auto";
  } else {
    add_problem(*found,
                "is " + described(*found) +
                    ", not supported yet (the checkpoint's own schedule is used) write \"auto\"");
  }
}

void ConfigReader::loras(char const* key, std::vector<LoraConfig>& target) {
  toml::node const* found = find(key);
  if (found == nullptr) return;
  target.clear();
  toml::array const* list = found->as_array();
  if (list == nullptr || !list->empty()) {
    add_problem(*found, "not supported yet (this version runs the checkpoint as it is) write []");
  }
}

void ConfigReader::report_unknown_names() {
  std::vector<std::string_view> tables;
  for (auto const& [name, keys] : known_) tables.push_back(name);
  for (auto const& [table_key, node] : root_) {
    std::string_view const name = table_key.str();
    auto const known = known_.find(name);
    if (known == known_.end()) {
      std::string place = nearest_name(name, tables);
      for (auto const& [other, keys] : known_) {
        bool const is_key = std::find(keys.begin(), keys.end(), name) != keys.end();
        if (place.empty() && is_key) place = "[" + std::string(other) + "] " + std::string(name);
      }
      problems_.add(positions_.of(table_key.source()), field_name(name),
                    std::string("unknown ") + (node.is_table() ? "table" : "key") +
                        " (nothing reads it)" + hint(place, "remove it"));
      continue;
    }
    if (toml::table const* keys = node.as_table()) report_unknown_keys(name, *keys);
  }
}

void ConfigReader::report_unknown_keys(std::string_view name, toml::table const& keys) {
  auto const& names = known_[name];
  for (auto const& [key, value] : keys) {
    std::string_view const word = key.str();
    if (std::find(names.begin(), names.end(), word) != names.end()) continue;
    std::string place = nearest_name(word, names);
    for (auto const& [other, others] : known_) {
      bool const is_key = std::find(others.begin(), others.end(), word) != others.end();
      if (is_key) place = "[" + std::string(other) + "] " + std::string(word);
    }
    problems_.add(positions_.of(key.source()),
                  field_name(std::string(name) + "." + std::string(word)),
                  "unknown key (nothing reads it)" + hint(place, "remove it"));
  }
}

}  // namespace ditbatch::config
