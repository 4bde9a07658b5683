#pragma once

#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "core/problem.hpp"

namespace ditbatch {

/// Reads a config file and then the overrides ("table.key=value", the value in TOML; a bare word is
/// a text). Unknown keys, wrong types and values out of range are all added to `problems`, with
/// position; with any of them the result must not be used. `${VAR}` is expanded in paths, relative
/// paths start at the config's folder.
[[nodiscard]] RunConfig load_run_config(std::string const& path,
                                        std::vector<std::string> const& overrides,
                                        Problems& problems);

/// The same from a text; `path` is for messages and relative paths.
[[nodiscard]] RunConfig parse_run_config(std::string const& path, std::string const& text,
                                         std::vector<std::string> const& overrides,
                                         Problems& problems);

/// The config with the model's own defaults where [sampling] says nothing: from then on all of it
/// counts as set.
[[nodiscard]] RunConfig with_sampling_defaults(RunConfig config, Sampling const& defaults);

/// As a config says it: "bf16"
[[nodiscard]] std::string dtype_name(Dtype dtype);

/// The effective config, in the form that parse_run_config() reads.
[[nodiscard]] std::string to_toml(RunConfig const& config);

}  // namespace ditbatch
