#include "config/config_table.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace ditbatch::config {

namespace {

std::string text_of(toml::node const& node) {
  std::ostringstream text;
  node.visit([&](auto const& value) { text << value; });
  return text.str();
}

std::string kind_of(toml::node const& node) {
  std::ostringstream kind;
  kind << node.type();
  return kind.str();
}

}  // namespace

Position position_of_node(std::string const& file, toml::node const& node) {
  auto const& begin = node.source().begin;
  return {file, begin.line, begin.column};
}

ConfigTable::ConfigTable(std::string file, std::string name, toml::table const* table, Problems& problems)
    : file_(std::move(file)), name_(std::move(name)), table_(table), problems_(problems) {}

bool ConfigTable::has(char const* key) const { return table_ != nullptr && table_->contains(key); }

toml::node const* ConfigTable::node(char const* key) {
  known_.emplace_back(key);
  return table_ == nullptr ? nullptr : table_->get(key);
}

void ConfigTable::add_problem(char const* key, toml::node const* at, std::string const& text) {
  problems_.add(at == nullptr ? Position{file_} : position_of_node(file_, *at), name_ + "." + key, text);
}

void ConfigTable::read(char const* key, std::string& target) {
  toml::node const* found = node(key);
  if (found == nullptr) return;
  if (auto const value = found->value_exact<std::string>()) {
    target = *value;
  } else {
    add_problem(key, found, "is " + kind_of(*found) + " (a text is needed) put it in quotes");
  }
}

void ConfigTable::read(char const* key, bool& target) {
  toml::node const* found = node(key);
  if (found == nullptr) return;
  if (auto const value = found->value_exact<bool>()) {
    target = *value;
  } else {
    add_problem(key, found, "is " + kind_of(*found) + " (must be true or false, without quotes)");
  }
}

void ConfigTable::read(char const* key, double& target, double least, double most) {
  toml::node const* found = node(key);
  if (found == nullptr) return;
  std::optional<double> value = found->value_exact<double>();
  if (!value) {
    if (auto const whole = found->value_exact<std::int64_t>()) value = static_cast<double>(*whole);
  }
  if (value && std::isfinite(*value) && *value >= least && *value <= most) {
    target = *value;
    return;
  }
  std::ostringstream range;
  range << least << " to " << most;
  add_problem(key, found, "not usable: " + in_quotes(text_of(*found)) + " (must be a number from " + range.str() + ")");
}

std::optional<std::int64_t> ConfigTable::integer(char const* key, Range range) {
  toml::node const* found = node(key);
  if (found == nullptr) return std::nullopt;
  auto const value = found->value_exact<std::int64_t>();
  if (value && *value >= range.least && *value <= range.most) return value;
  std::string const most = range.most == std::numeric_limits<std::int64_t>::max() ? "" : " to " + std::to_string(range.most);
  add_problem(key, found, "not usable: " + in_quotes(text_of(*found)) + " (must be a whole number from " + std::to_string(range.least) + most + ")");
  return std::nullopt;
}

void ConfigTable::read_integer_or_auto(char const* key, std::optional<int>& target, Range range) {
  toml::node const* found = table_ == nullptr ? nullptr : table_->get(key);
  if (found != nullptr && found->value_exact<std::string>() == "auto") {
    known_.emplace_back(key);
    target.reset();
    return;
  }
  if (auto const value = integer(key, range)) target = static_cast<int>(*value);
}

std::optional<std::size_t> ConfigTable::choice_index(char const* key, std::vector<std::string_view> const& names) {
  toml::node const* found = node(key);
  if (found == nullptr) return std::nullopt;
  auto const value = found->value_exact<std::string>();
  for (std::size_t i = 0; value && i < names.size(); ++i) {
    if (*value == names[i]) return i;
  }
  std::string list;
  for (std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  std::string const near = value ? nearest_name(*value, names) : "";
  add_problem(key, found, "unknown: " + in_quotes(text_of(*found)) + " (must be one of " + list + ")" +
                              (near.empty() ? "" : " did you mean " + in_quotes(near) + "?"));
  return std::nullopt;
}

void ConfigTable::report_unknown_keys() {
  if (table_ == nullptr) return;
  for (auto const& [key, value] : *table_) {
    std::string const name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string const near = nearest_name(name, known_);
    auto const& begin = key.source().begin;
    problems_.add({file_, begin.line, begin.column}, name_ + "." + name,
                  "unknown key (nothing reads it)" + (near.empty() ? std::string(" remove it") : " did you mean " + in_quotes(near) + "?"));
  }
}

}  // namespace ditbatch::config
