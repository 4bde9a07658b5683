#include "output/upgrade_run.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "config/load_run_config.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "output/flush_journal.hpp"
#include "output/model_entry.hpp"
#include "output/publish.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// The model of each session, as far as its files tell: the folder may have lost them.
class SessionModels {
 public:
  explicit SessionModels(std::string run_dir) : run_dir_(std::move(run_dir)) {}

  ModelEntry const& of(int session) {
    auto const [at, is_new] = models_.emplace(session, ModelEntry{});
    if (is_new) at->second = read(session_paths(run_dir_, session));
    return at->second;
  }

 private:
  static ModelEntry read(SessionPaths const& paths) {
    ModelEntry model;
    if (!fs::exists(paths.run_toml)) return model;
    Problems problems;
    RunConfig const config = load_run_config(paths.run_toml, {}, problems);
    if (!problems.empty()) return model;
    model.name = name_of_model(config.model.path);
    model.dtype = dtype_name(config.model.dtype);
    json const session = json_file_or_discarded(paths.session_json);
    if (session.is_discarded()) return model;
    try {
      model.checkpoint = session.value("checkpoint_id", "");
    } catch (json::exception const& error) {
      log_warning(paths.session_json + ": the checkpoint's id stays empty (" + error.what() + ")");
    }
    return model;
  }

  std::string run_dir_;
  std::map<int, ModelEntry> models_;
};

void require_intact(ShardRow const& row, std::uint64_t number, std::string const& path) {
  std::string const broken = broken_part(row);
  require(broken.empty(), ExitCode::io,
          path + ": row " + std::to_string(number) + " (" + row.id + ") is broken: " + broken +
              " run ditbatch repair");
}

ShardRow upgraded(ShardRow row, std::string const& model, std::size_t phases) {
  if (row.version < 2) {
    row.model = model;
    row.bits = 0;
    row.phase_s = slowest_ranks(row.timing_s, phases);
  }
  row.version = shard_schema_version;
  seal(row);
  return row;
}

// The models of a shard's rows, each once.
std::vector<ModelEntry> models_of(ShardFile const& shard, SessionModels& sessions) {
  std::vector<ModelEntry> models;
  for (RowKey const& key : shard.read_keys()) {
    ModelEntry const& model = sessions.of(key.record.session);
    if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
  }
  return models;
}

void write_upgraded(std::string const& path, std::string const& copy, SessionModels& sessions) {
  ShardFile const old = ShardFile::open(path, H5Access::read);
  require(old.is_complete() && old.is_even(), ExitCode::io,
          path + ": is not complete (it was changed) run ditbatch repair");
  ShardOptions options = old.options();
  options.version = shard_schema_version;
  if (old.options().version < 2) options.models = models_json(models_of(old, sessions));
  ShardFile fresh = ShardFile::create(copy, options);
  for (std::uint64_t row = 0; row < old.rows(); ++row) {
    ShardRow read = old.read(row, ShardFile::Part::everything);
    require_intact(read, row, path);
    std::string const model = sessions.of(read.session).name;
    fresh.append_stored(upgraded(std::move(read), model, options.phase_names.size()), old, row);
  }
  fresh.finish();
}

std::vector<std::string> old_shards(std::string const& run_dir) {
  std::vector<std::string> old;
  for (std::string const& file : shard_files(run_dir)) {
    ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    if (shard.options().version < shard_schema_version) old.push_back(file);
  }
  return old;
}

}  // namespace

UpgradeReport upgrade_run(std::string const& run_dir) {
  UpgradeReport report;
  report.salvaged_images = salvage_all(run_dir, LastWriter::gone);
  std::vector<std::string> const old = old_shards(run_dir);
  report.newest_shards = shard_files(run_dir).size() - old.size();
  leave_out_of_indexes(run_dir, old);
  SessionModels sessions(run_dir);
  for (std::string const& file : old) {
    std::string const part = parse_shard_path(file).value().part;
    std::string const copy = partial_path(
        run_dir, part, "upgrade-of-" + size_of_shard(file) + "-" + fs::path(file).stem().string());
    remove_with_journal(copy);
    write_upgraded(shard_in(run_dir, file), copy, sessions);
    PublishedShard const published = publish_shard(copy, run_dir, file, Existing::replace);
    append_index_line(index_path(run_dir, part), published);
    report.upgraded_shards += 1;
    report.upgraded_images += published.rows;
  }
  rebuild_indexes(run_dir);
  return report;
}

}  // namespace ditbatch
