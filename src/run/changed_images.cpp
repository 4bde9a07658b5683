#include "run/changed_images.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "config/load_run_config.hpp"
#include "core/json_text.hpp"
#include "manifest/record_fields.hpp"
#include "output/model_entry.hpp"
#include "output/run_paths.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

struct Change {
  std::vector<std::string> names;
  std::string text;  // "steps was 2, is 3"
  void add(std::string const& name, std::string const& was, std::string const& is) {
    names.push_back(name);
    text += (text.empty() ? "" : "; ") + name + " was " + was + ", is " + is;
  }
};

std::string shown(json const& value) {
  if (value.is_null()) return "absent";
  return value.is_string() ? in_quotes(value.get<std::string>()) : to_text(value);
}

// What the row's columns say of the fields of its record; a text that was absent reads as empty.
json fields_of(ShardRow const& row) {
  json fields = json_or_discarded(row.params);
  if (!fields.is_object()) fields = json::object();
  fields["prompt"] = row.prompt;
  fields["prompt_2"] = row.prompt_2;
  bool const has_negative = fields.value("has_negative_prompt", !row.negative_prompt.empty());
  fields["negative_prompt"] = has_negative ? json(row.negative_prompt) : json(nullptr);
  return fields;
}

json without_empty_second(json value, std::string const& name) {
  return name == "prompt_2" && value.is_null() ? json("") : value;
}

// What stands in the shard of the model that made the row: nothing in shards of version 1.
void compare_models(JobInput const& input, ShardRow const& row, std::string const& models,
                    Change& change) {
  json const entries = json_or_discarded(entries_of_model(models, row.model));
  if (!entries.is_array() || entries.empty() || !entries[0].is_object()) return;
  auto const compare = [&](char const* name, std::string const& is) {
    std::string const was = entries[0].value(name, "");
    if (!was.empty() && was != is) change.add(name, was.substr(0, 16), is.substr(0, 16));
  };
  compare("dtype", dtype_name(input.config.model.dtype));
  compare("checkpoint", to_hex(input.model.checkpoint.id));
}

Change change_of(JobInput const& input, ImageRecord const& record, ShardRow const& row,
                 std::string const& models) {
  Change change;
  json asked = fields_json(record, EmptySecond::none);
  for (char const* name : {"tags", "metadata"}) asked.erase(name);  // no part of the identity
  json const made = fields_of(row);
  for (auto const& [name, value] : asked.items()) {
    json const is = without_empty_second(value, name);
    if (made.contains(name) && made.at(name) != is)
      change.add(name, shown(made.at(name)), shown(is));
  }
  compare_models(input, row, models, change);
  if (change.text.empty()) change.text = "the weights, the dtype or the method";
  return change;
}

std::map<ImageKey, Change> read_changes(JobInput const& input,
                                        std::map<ImageKey, ImageRecord const*> const& wanted) {
  std::map<ImageKey, Change> changes;
  std::string const& run_dir = input.config.job.run_dir;
  for (std::string const& file : shard_files(run_dir)) {
    if (changes.size() == wanted.size()) break;
    ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    std::vector<RowKey> const keys = shard.read_keys();
    for (std::size_t row = 0; row < keys.size(); ++row) {
      auto const found = wanted.find({keys[row].id, keys[row].index});
      if (found != wanted.end())
        changes[found->first] =
            change_of(input, *found->second, shard.read(row, ShardFile::Part::columns),
                      shard.options().models);
    }
  }
  return changes;
}

}  // namespace

void explain_changes(JobInput const& input, std::vector<ImageRecord const*> const& changed,
                     ListAll all, Problems& problems) {
  constexpr std::size_t most_looked_at = 50, most_alike = 3;
  std::map<ImageKey, ImageRecord const*> wanted;
  for (ImageRecord const* record : changed)
    if (all == ListAll::yes || wanted.size() < most_looked_at) wanted[record->key()] = record;
  std::map<ImageKey, Change> const changes = read_changes(input, wanted);

  std::map<std::vector<std::string>, std::size_t> told;
  std::size_t left = changed.size();
  std::string const& manifest = input.config.job.manifest;
  for (ImageRecord const* record : changed) {
    auto const found = changes.find(record->key());
    if (found == changes.end()) continue;
    if (all == ListAll::no && told[found->second.names]++ >= most_alike) continue;
    left -= 1;
    problems.add({manifest, record->line}, image_name(record->key()),
                 "was made from another record or checkpoint (" + found->second.text +
                     ") run with --replace-changed to make it again, or give it a new id");
  }
  if (left > 0)
    problems.add({manifest}, "",
                 std::to_string(left) +
                     " more images were made from another record or checkpoint (ditbatch check "
                     "--all lists them)");
}

}  // namespace ditbatch
