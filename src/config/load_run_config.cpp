#include "config/load_run_config.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/config_reader.hpp"
#include "config/quantities.hpp"
#include "core/utf8.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_file_bytes = std::size_t{1} << 20U;
// Dotted keys nest one table a dot, and toml++ takes such a tree apart recursively: enough dots
// would overflow the stack.
constexpr std::ptrdiff_t most_dots = 4096;

bool has_too_many_dots(std::string_view text) {
  return std::count(text.begin(), text.end(), '.') > most_dots;
}

// A word that needs no quotes on the command line: whatever does not begin like another TOML value.
bool is_bare_word(std::string_view value) {
  return value.find_first_of("\"'[{") != 0 && value.find('\n') == std::string_view::npos;
}

// "table.key=value" into the parsed tree. The parts remember where they are from by their source.
void apply_override(toml::table& root, std::string const& text, Problems& problems) {
  std::size_t const equals = text.find('=');
  std::size_t const dot = text.find('.');
  bool const has_form =
      equals != std::string::npos && dot < equals && dot != 0 && dot + 1 != equals;
  if (!has_form || find_bad_utf8(text) != std::string::npos) {
    problems.add({"--set"}, in_quotes(text),
                 "cannot be read (an override is table.key=value) write, for example, --set "
                 "sampling.steps=4");
    return;
  }
  std::string const table = text.substr(0, dot);
  std::string const key = text.substr(dot + 1, equals - dot - 1);
  std::string const value = text.substr(equals + 1);
  std::string const place = std::string(config::override_mark) + table + "." + key;
  toml::table parsed;
  try {
    if (has_too_many_dots(value))
      throw toml::parse_error("nested too deeply", toml::source_region{});
    parsed = toml::parse("value = " + value, place);
  } catch (toml::parse_error const& error) {
    if (!is_bare_word(value)) {
      problems.add(
          {place}, "",
          "not a TOML value: " + in_quotes(value) + " (" + std::string(error.description()) + ")");
      return;
    }
    parsed = toml::parse("value = " + config::quoted_toml(value), place);
  }
  if (!root.contains(table)) {
    root.insert(toml::key(table, parsed.get("value")->source()), toml::table{});
  }
  toml::table* target = root.get(table)->as_table();
  if (target == nullptr || parsed.size() != 1) {
    problems.add({place}, "", "cannot be set (an override is one value of one table)");
    return;
  }
  toml::source_region const source = parsed.get("value")->source();
  target->erase(key);  // or the key would keep its place in the file
  target->insert(toml::key(key, source), std::move(*parsed.get("value")));
}

// From here on a count of ranks fits an int, however the degrees are multiplied.
void check_mesh_size(RunConfig const& config, Problems& problems) {
  constexpr std::int64_t most_ranks = 1'000'000;
  MeshConfig const& mesh = config.mesh;
  std::int64_t const ranks = std::int64_t{mesh.cfg} * mesh.ulysses * mesh.ring * mesh.pipefusion;
  if (ranks > most_ranks || ranks * mesh.replicas.value_or(1) > most_ranks) {
    problems.add({config.config_path}, "mesh",
                 "has more than 1000000 places (the product of its degrees) make them smaller");
  }
}

// In the order of the file; a list without end helps nobody.
void add_first_problems(Problems const& found, std::string const& path, Problems& problems) {
  constexpr std::size_t most_problems = 1000;
  Problems sorted;
  sorted.append_in_order(found);
  std::size_t const count = std::min(sorted.all().size(), most_problems);
  for (std::size_t i = 0; i < count; ++i) {
    Problem const& problem = sorted.all()[i];
    problems.add(problem.where, problem.field, problem.text);
  }
  if (sorted.all().size() > count) {
    problems.add({path}, "",
                 "has " + std::to_string(sorted.all().size() - count) +
                     " more problems (only the first " + std::to_string(most_problems) +
                     " are listed) mend these first");
  }
}

}  // namespace

RunConfig parse_run_config(std::string const& path, std::string const& text,
                           std::vector<std::string> const& overrides, Problems& problems) {
  RunConfig config;
  config.config_path = path;
  if (text.starts_with("\xEF\xBB\xBF")) {
    problems.add(
        {path, 1, 1}, "",
        "begins with a byte order mark (it is no part of TOML 1.0) save it as UTF-8 without BOM");
    return config;
  }
  if (std::size_t const bad = find_bad_utf8(text); bad != std::string::npos) {
    problems.add(position_of(path, text, bad), "",
                 "bad UTF-8 (TOML must be UTF-8) save it as UTF-8");
    return config;
  }
  if (has_too_many_dots(text)) {
    problems.add(
        {path}, "",
        "has more than 4096 dots (keys nested that deeply are no config) name the config file");
    return config;
  }
  config::TomlPositions const positions(path, text);
  toml::table root;
  try {
    root = toml::parse(text, path);
  } catch (toml::parse_error const& error) {
    problems.add(positions.of(error.source()), "",
                 "not valid TOML (" + std::string(error.description()) + ")");
    return config;
  }
  Problems found;
  for (std::string const& each : overrides) apply_override(root, each, found);
  std::error_code error;
  config::ConfigReader reader(root, positions, fs::absolute(path, error).parent_path(), config,
                              found);
  config::visit_keys(reader, config);
  reader.report_unknown_names();
  check_mesh_size(config, found);
  add_first_problems(found, path, problems);
  if (config.job.name.empty()) config.job.name = fs::path(path).stem();
  if (config.job.input_root.empty())
    config.job.input_root = fs::path(config.job.manifest).parent_path();
  return config;
}

RunConfig load_run_config(std::string const& path, std::vector<std::string> const& overrides,
                          Problems& problems) {
  std::error_code error;
  auto const refuse = [&](std::string const& text) {
    problems.add({path}, "", text);
    RunConfig none;
    none.config_path = path;
    return none;
  };
  fs::file_status const status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    return refuse("does not exist (the config is read from it) check the path");
  if (status.type() == fs::file_type::directory)
    return refuse("is a folder (the config is a file) name the .toml file in it");
  if (status.type() != fs::file_type::regular)
    return refuse("is no regular file (a config is) check the path");
  if (fs::file_size(path, error) > largest_file_bytes)
    return refuse("is larger than 1 MiB (no config is) name the config file");
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file && file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (file.bad() || !file.is_open())
    return refuse("cannot be read (no permission, or a failing disk) check it");
  return parse_run_config(path, text.str(), overrides, problems);
}

}  // namespace ditbatch
