#include "run/verify_job.hpp"

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "config/load_run_config.hpp"
#include "core/log.hpp"
#include "core/say.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"
#include "run/record_judge.hpp"
#include "run/run_job.hpp"
#include "run/session_folder.hpp"
#include "supervise/verdict.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// Of all parts.
std::set<ImageKey> failed_images(std::string const& run_dir) {
  std::set<ImageKey> images;
  for (PartFile const& file : failed_files(run_dir)) {
    for (FailedLine const& line : read_failed_lines(file.path))
      images.insert({line.id, line.index});
  }
  return images;
}

JobInput input_of(RunConfig const& config, Problems& problems) {
  MeshConfig const& mesh = config.mesh;
  int const ranks =
      mesh.cfg * mesh.pipefusion * mesh.ring * mesh.ulysses * mesh.replicas.value_or(1);
  return read_job_input(config, ranks, std::nullopt, ReadManifest::yes, problems);
}

struct MadeOn {
  Sha256Digest pixels{};  // of the pixels as they are: the hash beside them is to be proven
  std::string hardware;
};

std::map<ImageKey, MadeOn> made_on(std::string const& run_dir, std::set<ImageKey> const& wanted) {
  std::map<ImageKey, MadeOn> images;
  for (std::string const& file : shard_files(run_dir)) {
    ShardFile const shard = ShardFile::open(shard_in(run_dir, file), H5Access::read);
    std::vector<RowKey> const keys = shard.read_keys();
    for (std::size_t row = 0; row < keys.size(); ++row) {
      ImageKey const key{keys[row].id, keys[row].index};
      if (wanted.count(key) == 0) continue;
      ShardRow const read = shard.read(row, ShardFile::Part::everything);
      images[key] = {sha256(read.pixels.data(), read.pixels.size()), read.hardware};
    }
  }
  return images;
}

std::string other_bits_text(MadeOn const& published, MadeOn const& again) {
  if (published.hardware == again.hardware)
    return "OTHER BITS on the same hardware (a changed record, or changed pixels: see verify)";
  return "OTHER BITS (made on " + published.hardware + ", now on " + again.hardware + ")";
}

std::vector<ImageKey> published_images(std::string const& run_dir) {
  std::vector<ImageKey> images;
  for (auto const& [key, record] : scan_run(run_dir, "").done) images.push_back(key);
  return images;
}

}  // namespace

RunConfig config_of_run(std::string const& run_dir, std::vector<std::string> const& overrides) {
  require(!session_numbers(run_dir).empty(), ExitCode::io,
          run_dir + ": has no sessions (not a run folder, or nothing ran yet) check the path");
  std::optional<std::string> const newest = newest_run_toml(run_dir);
  require(newest.has_value(), ExitCode::io,
          run_dir +
              ": no session has a run.toml (killed in their first second, or removed) "
              "run the job again");
  Problems problems;
  RunConfig config = load_run_config(*newest, overrides, problems);
  problems.throw_if_any();
  return config;
}

Completeness compare_with_manifest(std::string const& run_dir, VerifyReport const& report) {
  Completeness found;
  Problems problems;
  JobInput input;
  try {
    RunConfig const config = config_of_run(run_dir, {});
    found.manifest = fs::weakly_canonical(config.job.manifest);
    input = input_of(config, problems);
    if (!problems.empty()) found.unknown = to_string(problems.all().front());
  } catch (Error const& error) {
    found.unknown = error.what();
  }
  if (!found.unknown.empty()) return found;

  std::set<ImageKey> const failed = failed_images(run_dir);
  Tombstones const taken_out = read_tombstones(run_dir);
  RecordJudge judge(input, run_dir);
  std::set<ImageKey> wanted;
  for (ImageRecord const& record : input.records) {
    ImageKey const key{record.id, record.index};
    wanted.insert(key);
    auto const published = report.records.find(key);
    if (taken_out.hold(key)) {
      found.taken_out += 1;
    } else if (published == report.records.end()) {
      if (failed.count(key) != 0)
        found.failed += 1;
      else
        found.missing.push_back(image_name(key));
    } else if (!judge.is_unchanged(record, published->second)) {
      found.changed.push_back(image_name(key));
    }
  }
  found.wanted = wanted.size();
  for (auto const& [key, published] : report.records) {
    if (wanted.count(key) == 0) found.foreign.push_back(image_name(key));
  }
  return found;
}

ExitCode regenerate(std::string const& run_dir, std::size_t count,
                    std::vector<std::string> const& overrides, MpiSession const& session,
                    std::int64_t begin_ns) {
  RunConfig config;
  RunOptions options;
  std::map<ImageKey, MadeOn> published;
  std::string const folder = regenerated_folder(run_dir);
  // comm: all ranks
  on_first_rank(session, [&] {
    config = config_of_run(run_dir, overrides);
    std::vector<ImageKey> const keys = published_images(run_dir);
    require(!keys.empty(), ExitCode::io,
            run_dir +
                ": nothing is published that could be made again (no image in its shards) "
                "run the job first");
    std::vector<ImageKey> drawn;
    std::sample(keys.begin(), keys.end(), std::back_inserter(drawn), count,
                std::mt19937_64(std::random_device{}()));
    options.only.emplace(drawn.begin(), drawn.end());
    published = made_on(run_dir, *options.only);
    fs::remove_all(folder);
  });
  if (session.rank() != 0) config = config_of_run(run_dir, overrides);
  config.job.run_dir = folder;
  ExitCode const code = run_job(config, options, session, begin_ns);
  // comm: all ranks
  return on_first_rank(session, [&] {
    if (code != ExitCode::complete) return code;
    std::map<ImageKey, MadeOn> const again = made_on(folder, *options.only);
    std::size_t different = 0;
    for (ImageKey const& key : *options.only) {
      auto const made = again.find(key);
      bool const is_made = made != again.end();
      bool const is_same = is_made && made->second.pixels == published.at(key).pixels;
      different += is_same ? 0 : 1;
      std::string const text = is_same    ? "the same bits"
                               : !is_made ? "not in the manifest any more"
                                          : other_bits_text(published.at(key), made->second);
      say("%s: %s\n", image_name(key).c_str(), text.c_str());
    }
    fs::remove_all(folder);
    say("%zu images made again, %zu with other bits\n", options.only->size(), different);
    return different == 0 ? ExitCode::complete : ExitCode::io;
  });
}

}  // namespace ditbatch
