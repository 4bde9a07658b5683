#include "config/load_run_config.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/config_table.hpp"
#include "config/quantities.hpp"
#include "core/utf8.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using config::ConfigTable;

namespace {

constexpr std::size_t largest_file_bytes = std::size_t{4} << 20U;

// ${VAR} -> its value. An undefined variable is a problem: an empty path would be a wrong one.
std::string expanded(std::string const& text, char const* key, toml::node const* at, ConfigTable& table) {
  std::string out;
  std::size_t i = 0;
  while (i < text.size()) {
    std::size_t const end = text.compare(i, 2, "${") == 0 ? text.find('}', i) : std::string::npos;
    if (end == std::string::npos) {
      out += text[i++];
      continue;
    }
    std::string const name = text.substr(i + 2, end - i - 2);
    char const* value = std::getenv(name.c_str());
    if (value == nullptr) {
      table.add_problem(key, at, "the variable " + in_quotes(name) + " is not set (the path uses it) export it, or write the path out");
    } else {
      out += value;
    }
    i = end + 1;
  }
  return out;
}

void read_path(ConfigTable& table, char const* key, fs::path const& base, std::string& target) {
  std::string text;
  table.read(key, text);
  if (text.empty()) return;
  target = (base / expanded(text, key, table.node(key), table)).lexically_normal();
}

void read_required_path(ConfigTable& table, char const* key, fs::path const& base, std::string& target) {
  read_path(table, key, base, target);
  if (!table.has(key)) {
    table.add_problem(key, nullptr, "missing (a run needs it) add it to its table");
  } else if (target.empty()) {
    table.add_problem(key, table.node(key), "is no path (a run needs it) name a file or folder");
  }
}

void read_size(ConfigTable& table, char const* key, std::uint64_t& target) {
  toml::node const* found = table.node(key);
  if (found == nullptr) return;
  std::optional<std::uint64_t> value;
  if (auto const text = found->value_exact<std::string>()) value = config::parse_size(*text);
  if (auto const whole = found->value_exact<std::int64_t>(); whole && *whole > 0) value = static_cast<std::uint64_t>(*whole);
  if (value) {
    target = *value;
  } else {
    table.add_problem(key, found, "not a size (a number of bytes, or a text such as \"512MiB\" or \"2GiB\")");
  }
}

void read_limit(ConfigTable& table, char const* key, RecordLimit& target) {
  toml::node const* found = table.node(key);
  if (found == nullptr) return;
  std::optional<RecordLimit> value;
  if (auto const text = found->value_exact<std::string>()) value = config::parse_limit(*text);
  if (auto const whole = found->value_exact<std::int64_t>(); whole && *whole >= 0) {
    value = RecordLimit{static_cast<double>(*whole), RecordLimit::Unit::records};
  }
  if (value) {
    target = *value;
  } else {
    table.add_problem(key, found, "not a limit (a number of records, or a share such as \"0.1%\")");
  }
}

void read_loras(ConfigTable& table) {
  toml::node const* found = table.node("loras");
  if (found == nullptr) return;
  toml::array const* list = found->as_array();
  if (list == nullptr || !list->empty()) {
    table.add_problem("loras", found, "not supported yet (this version runs the checkpoint as it is) remove it");
  }
}

// Every key of the config, table by table. A new key is one line here and one in run_config.hpp.
void read_tables(toml::table const& root, fs::path const& base, RunConfig& config, Problems& problems) {
  std::string const& file = config.config_path;
  std::vector<std::string_view> known;
  auto const open = [&](char const* name) {
    known.emplace_back(name);
    toml::node const* node = root.get(name);
    if (node != nullptr && !node->is_table()) {
      problems.add(config::position_of_node(file, *node), name, "is not a table (its keys stand under [" + std::string(name) + "])");
    }
    return ConfigTable(file, name, node == nullptr ? nullptr : node->as_table(), problems);
  };
  constexpr double long_time_s = 1e7;

  ConfigTable job = open("job");
  job.read("name", config.job.name);
  read_required_path(job, "manifest", base, config.job.manifest);
  read_path(job, "input_root", base, config.job.input_root);
  read_required_path(job, "run_dir", base, config.job.run_dir);
  job.read_integer("seed", config.job.seed, {});
  job.report_unknown_keys();

  ConfigTable model = open("model");
  read_required_path(model, "path", base, config.model.path);
  model.read_choice<Dtype>("dtype", config.model.dtype, {{"bf16", Dtype::bf16}, {"fp16", Dtype::fp16}, {"fp32", Dtype::fp32}});
  model.read("random_weights", config.model.random_weights);
  read_loras(model);
  model.report_unknown_keys();

  ConfigTable mesh = open("mesh");
  mesh.read_choice<WeightPlacement>("weights", config.mesh.weights,
                                    {{"replicated", WeightPlacement::replicated}, {"sharded", WeightPlacement::sharded}});
  mesh.read_integer_or_auto("replicas", config.mesh.replicas, {1, 1'000'000});
  mesh.read_integer("cfg", config.mesh.cfg, {1, 2});
  mesh.read_integer("ulysses", config.mesh.ulysses, {1, 1024});
  mesh.read_integer("ring", config.mesh.ring, {1, 1024});
  mesh.read_choice<RingKind>("ring_kind", config.mesh.ring_kind, {{"gather", RingKind::gather}, {"p2p", RingKind::p2p}});
  mesh.read_integer("pipefusion", config.mesh.pipefusion, {1, 1024});
  mesh.report_unknown_keys();

  ConfigTable sampling = open("sampling");
  sampling.read_integer("width", config.sampling.width_px, {1, 65535});
  sampling.read_integer("height", config.sampling.height_px, {1, 65535});
  sampling.read_integer("steps", config.sampling.steps, {1, 1000});
  sampling.read("guidance_scale", config.sampling.guidance_scale, 0, 1000);
  sampling.read("true_cfg_scale", config.sampling.true_cfg_scale, 0, 1000);
  sampling.read("scheduler", config.sampling.scheduler);
  if (config.sampling.scheduler != "auto") {
    sampling.add_problem("scheduler", sampling.node("scheduler"), "not supported yet: " + in_quotes(config.sampling.scheduler) + " (the checkpoint's own schedule is used) write \"auto\"");
  }
  sampling.read_integer("max_sequence_length", config.sampling.max_sequence_length, {1, 4096});
  sampling.report_unknown_keys();

  ConfigTable output = open("output");
  read_size(output, "shard_bytes", config.output.shard_bytes);
  output.read("shard_s", config.output.shard_s, 1, long_time_s);
  output.read("flush_s", config.output.flush_s, 0, long_time_s);
  output.read_integer("images_per_shard", config.output.images_per_shard, {});
  output.read_integer("compression", config.output.compression, {0, 9});
  output.report_unknown_keys();

  ConfigTable limits = open("limits");
  limits.read_integer("retries", config.limits.retries, {0, 100});
  read_limit(limits, "allow_failed", config.limits.allow_failed);
  read_limit(limits, "abort_failed", config.limits.abort_failed);
  limits.read("start_s", config.limits.start_s, 1, long_time_s);
  limits.read("phase_s", config.limits.phase_s, 1, long_time_s);
  limits.read("io_s", config.limits.io_s, 1, long_time_s);
  limits.read("drain_s", config.limits.drain_s, 0, long_time_s);
  limits.report_unknown_keys();

  ConfigTable runtime = open("runtime");
  runtime.read_choice<DeviceKind>("device", config.runtime.device,
                                  {{"auto", DeviceKind::automatic}, {"cuda", DeviceKind::cuda}, {"cpu", DeviceKind::cpu}});
  runtime.read("share_gpu", config.runtime.share_gpu);
  runtime.read("allow_mixed", config.runtime.allow_mixed);
  runtime.report_unknown_keys();

  for (auto const& [key, value] : root) {
    std::string const name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string const near = nearest_name(name, known);
    problems.add({file, key.source().begin.line, key.source().begin.column}, name,
                 "unknown table (nothing reads it)" + (near.empty() ? std::string(" remove it") : " did you mean " + in_quotes(near) + "?"));
  }
}

// "table.key=value" into the parsed tree. A value that is no TOML is taken as a text.
void apply_override(toml::table& root, std::string const& text, Problems& problems) {
  std::size_t const equals = text.find('=');
  std::size_t const dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals || dot == 0 || dot + 1 == equals) {
    problems.add({"--set"}, in_quotes(text), "not of the form table.key=value");
    return;
  }
  std::string const table = text.substr(0, dot);
  std::string const key = text.substr(dot + 1, equals - dot - 1);
  std::string const value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value, "--set " + table + "." + key);
  } catch (toml::parse_error const&) {
    parsed.insert("value", value);
  }
  if (!root.contains(table)) root.insert(table, toml::table{});
  toml::table* target = root.get(table)->as_table();
  if (target == nullptr || parsed.size() != 1) {
    problems.add({"--set " + table + "." + key}, "", "cannot be set (not one value of a table)");
    return;
  }
  target->insert_or_assign(key, std::move(*parsed.get("value")));
}

}  // namespace

RunConfig parse_run_config(std::string const& path, std::string const& text,
                           std::vector<std::string> const& overrides, Problems& problems) {
  RunConfig config;
  config.config_path = path;
  if (std::size_t const bad = find_bad_utf8(text); bad != std::string::npos) {
    problems.add(position_of(path, text, bad), "", "bad UTF-8 (TOML must be UTF-8) save it as UTF-8");
    return config;
  }
  toml::table root;
  try {
    root = toml::parse(text, path);
  } catch (toml::parse_error const& error) {
    auto const& begin = error.source().begin;
    problems.add({path, begin.line, begin.column}, "", "not valid TOML (" + std::string(error.description()) + ")");
    return config;
  }
  for (std::string const& override_text : overrides) apply_override(root, override_text, problems);
  fs::path const base = fs::absolute(path).parent_path();
  read_tables(root, base, config, problems);
  if (config.job.name.empty()) config.job.name = fs::path(path).stem();
  if (config.job.input_root.empty()) config.job.input_root = fs::path(config.job.manifest).parent_path();
  return config;
}

RunConfig load_run_config(std::string const& path, std::vector<std::string> const& overrides, Problems& problems) {
  std::error_code error;
  auto const refuse = [&](std::string const& text) {
    problems.add({path}, "", text);
    RunConfig none;
    none.config_path = path;
    return none;
  };
  if (!fs::is_regular_file(path, error)) return refuse("is no file that can be read (check the path of the config)");
  if (fs::file_size(path, error) > largest_file_bytes) return refuse("is larger than 4 MiB (no config is) name the config file");
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return refuse("cannot be read (check its permissions)");
  return parse_run_config(path, text.str(), overrides, problems);
}

}  // namespace ditbatch
