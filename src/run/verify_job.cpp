#include "run/verify_job.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <set>

#include "config/load_run_config.hpp"
#include "core/log.hpp"
#include "output/scan_run.hpp"
#include "output/shard_file.hpp"
#include "run/record_judge.hpp"
#include "run/run_job.hpp"
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

std::map<ImageKey, Sha256Digest> pixel_hashes(std::string const& run_dir) {
  std::map<ImageKey, Sha256Digest> hashes;
  for (std::string const& file : shard_files(run_dir)) {
    for (RowKey const& key : ShardFile::open(run_dir + "/" + file, H5Access::read).read_keys())
      hashes[{key.id, key.index}] = key.sha256;
  }
  return hashes;
}

}  // namespace

RunConfig config_of_run(std::string const& run_dir, std::vector<std::string> const& overrides) {
  std::vector<int> const sessions = session_numbers(run_dir);
  require(!sessions.empty(), ExitCode::io,
          run_dir + ": has no sessions (not a run folder, or nothing ran yet) check the path");
  Problems problems;
  RunConfig const config =
      load_run_config(session_paths(run_dir, sessions.back()).run_toml, overrides, problems);
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
  RecordJudge judge(input, run_dir);
  std::set<ImageKey> wanted;
  for (ImageRecord const& record : input.records) {
    ImageKey const key{record.id, record.index};
    wanted.insert(key);
    auto const published = report.records.find(key);
    if (published == report.records.end()) {
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
  std::map<ImageKey, Sha256Digest> published;
  std::string const folder = regenerated_folder(run_dir);
  // comm: all ranks
  on_first_rank(session, [&] {
    config = config_of_run(run_dir, overrides);
    published = pixel_hashes(run_dir);
    std::vector<ImageKey> keys;
    for (auto const& [key, digest] : published) keys.push_back(key);
    std::vector<ImageKey> drawn;
    std::sample(keys.begin(), keys.end(), std::back_inserter(drawn), count,
                std::mt19937_64(std::random_device{}()));
    options.only.emplace(drawn.begin(), drawn.end());
    fs::remove_all(folder);
  });
  if (session.rank() != 0) config = config_of_run(run_dir, overrides);
  config.job.run_dir = folder;
  ExitCode const code = run_job(config, options, session, begin_ns);
  // comm: all ranks
  return on_first_rank(session, [&] {
    if (code != ExitCode::complete) return code;
    std::map<ImageKey, Sha256Digest> const again = pixel_hashes(folder);
    std::size_t different = 0;
    for (ImageKey const& key : *options.only) {
      auto const made = again.find(key);
      bool const same = made != again.end() && made->second == published.at(key);
      different += same ? 0 : 1;
      std::printf("%s: %s\n", image_name(key).c_str(),
                  same                  ? "the same bits"
                  : made == again.end() ? "not in the manifest any more"
                                        : "OTHER BITS (other hardware, or a changed record)");
    }
    fs::remove_all(folder);
    std::printf("%zu images made again, %zu with other bits\n", options.only->size(), different);
    return different == 0 ? ExitCode::complete : ExitCode::io;
  });
}

}  // namespace ditbatch
