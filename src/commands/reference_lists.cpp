#include <algorithm>

#include "commands/markdown.hpp"
#include "commands/reference_sections.hpp"
#include "config/config_tables.hpp"
#include "core/exit_code_terms.hpp"
#include "families/families.hpp"
#include "manifest/field_entries.hpp"
#include "output/run_folder_files.hpp"
#include "output/shard_entries.hpp"
#include "output/shard_row.hpp"
#include "run/progress.hpp"

namespace ditbatch {

namespace {

// `what`: "key", "field", "column".
std::string entries_table(std::string const& what, std::string const& values,
                          std::vector<TermEntry> const& entries) {
  MarkdownTable table{{what, values, "default", "unit", "since", "meaning"}, {}};
  for (TermEntry const& entry : entries) {
    bool const is_none = entry.initial == "\"\"";  // an empty text
    table.rows.push_back({code(entry.term.name()), entry.values, is_none ? "" : code(entry.initial),
                          entry.term.unit(), version_of(entry.term.since()), entry.term.meaning()});
  }
  return to_markdown(table);
}

// The table [sampling] with what each family gives: "28 (FluxPipeline)".
std::vector<TermEntry> with_family_defaults(std::vector<TermEntry> entries,
                                            std::string const& name) {
  for (TermEntry& entry : entries) entry.initial.clear();
  for (FamilyDefaults const& family : family_defaults()) {
    RunConfig config;
    config.sampling = family.sampling;
    for (ConfigTable const& table : config_tables(config)) {
      if (table.term.name() != name) continue;
      for (std::size_t i = 0; i < entries.size(); ++i)
        entries[i].initial += (entries[i].initial.empty() ? "" : ", ") + table.keys[i].initial +
                              " (" + family.class_name + ")";
    }
  }
  return entries;
}

}  // namespace

std::string exit_codes_section() {
  MarkdownTable table{{"code", "name", "since", "meaning"}, {}};
  for (auto const& [code, term] : exit_code_terms())
    table.rows.push_back(
        {std::to_string(code), term.name(), version_of(term.since()), term.meaning()});
  return "## Exit codes\n\n" + to_markdown(table) +
         "\nA process that a signal ends before it could stop cleanly has 128 + its number.\n";
}

std::string config_section() {
  std::string text =
      "## Config file\n\nTOML; `--set table.key=value` on the command line goes before it. Unknown "
      "keys are errors. `ditbatch check CONFIG --print` shows every key with its value.\n";
  RunConfig const defaults;
  for (ConfigTable const& table : config_tables(defaults)) {
    std::string const name = table.term.name();
    bool const is_the_models = name == "sampling";
    text += "\n### `[" + name + "]`\n\n" + table.term.meaning() + "\n\n" +
            entries_table("key", "values",
                          is_the_models ? with_family_defaults(table.keys, name) : table.keys);
  }
  return text + "\nA table of `layouts`:\n\n" +
         entries_table("key", "values", layout_entries(BenchLayout{}));
}

std::string manifest_section() {
  return "## Manifest\n\nJSONL: a JSON object a line for each record. Unknown fields are "
         "errors.\n\n" +
         entries_table("field", "values", field_entries());
}

std::string run_folder_section() {
  MarkdownTable table{{"file", "by part 7 of an array", "since", "meaning"}, {}};
  for (RunFile const& file : run_folder_files())
    table.rows.push_back({code(file.path), code(file.path_of_part), version_of(file.term.since()),
                          file.term.meaning()});
  return "## Run folder\n\nWith images of 1024x768, shard 12 and session 3 as examples; `*` is any "
         "text. Beside a file that is being replaced stands one that ends in `.new`.\n\n" +
         to_markdown(table);
}

std::string shard_section() {
  std::vector<TermEntry> const newest = column_entries(shard_schema_version);
  std::string text =
      "## Shards\n\nHDF5, one image size a file, a row an image. N: rows, H, W: height and width, "
      "P: phases. This is schema version " +
      std::to_string(shard_schema_version) +
      "; `ditbatch upgrade` writes older shards anew.\n\n### Columns\n\n" +
      entries_table("column", "type", newest);
  for (int version = 1; version < shard_schema_version; ++version) {
    std::vector<TermEntry> only_then;
    for (TermEntry const& entry : column_entries(version)) {
      std::string const name = entry.term.name();
      if (std::none_of(newest.begin(), newest.end(),
                       [&](TermEntry const& other) { return other.term.name() == name; }))
        only_then.push_back(entry);
    }
    text += "\nShards of version " + std::to_string(version) +
            " have those of these that came with " + version_of(only_then.front().term.since()) +
            ", and:\n\n" + entries_table("column", "type", only_then);
  }
  return text + "\n### Attributes\n\n" +
         entries_table("attribute", "type", attribute_entries(shard_schema_version));
}

std::string metrics_section() {
  MarkdownTable table{{"metric", "kind", "unit", "since", "meaning"}, {}};
  for (Metric const& metric : metrics_of({}, {}, 0))
    table.rows.push_back({code(metric.term.name()), metric.kind, metric.term.unit(),
                          version_of(metric.term.since()), metric.term.meaning()});
  return "## Metrics\n\n`metrics.prom` of a session, for node_exporter's textfile collector.\n\n" +
         to_markdown(table);
}

}  // namespace ditbatch
