#pragma once

#include <vector>

#include "config/run_config.hpp"
#include "core/term.hpp"

namespace ditbatch {

/// A table of the config file and its keys.
struct ConfigTable {
  Term term;
  std::vector<TermEntry> keys;
};

/// Every table and key of visit_keys(), with the values of `config` as TOML has them; empty for a
/// list that is empty and cannot be written.
[[nodiscard]] std::vector<ConfigTable> config_tables(RunConfig const& config);
/// The same of one of [bench] layouts.
[[nodiscard]] std::vector<TermEntry> layout_entries(BenchLayout const& layout);

}  // namespace ditbatch
