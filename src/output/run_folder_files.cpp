#include "output/run_folder_files.hpp"

#include "output/flush_journal.hpp"
#include "output/run_names.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

std::vector<RunFile> run_folder_files() {
  std::string const part = part_name(7);
  ShardName const shard{size_folder(1024, 768), 12, ""};
  std::vector<RunFile> files;
  // `path` of a run folder that is called "", or beneath one.
  auto const beneath = [](std::string const& path) {
    return path.starts_with('/') ? path.substr(1) : path;
  };
  auto const add = [&](Term const& term, std::string const& path, std::string const& path_of_part) {
    files.push_back({beneath(path), beneath(path_of_part), term});
  };
  add(run_names::shards, shard_path(shard), shard_path({shard.size, shard.number, part}));
  add(run_names::index, index_path("", ""), index_path("", part));
  add(run_names::failed, failed_path("", ""), failed_path("", part));
  add(run_names::taken_out, taken_out_path(""), "");
  add(run_names::stop, stop_path(""), "");
  add(run_names::sessions, session_folder("", 3) + "/", "");
  SessionPaths const session = session_paths("", 3);
  visit_session([&](Term const& term, std::string const& path,
                    PathKind kind) { add(term, kind == PathKind::folder ? path + "/" : path, ""); },
                session);
  add(run_names::work, work_folder("") + "/", "");
  add(run_names::lock, lock_path("", ""), lock_path("", part));
  add(run_names::parts, parts_path(""), "");
  std::string const partial = partial_path("", "", "*");
  add(run_names::partial, partial, partial_path("", part, "*"));
  add(run_names::journal_of_partial, journal_path(partial),
      journal_path(partial_path("", part, "*")));
  add(run_names::early_end, paths_in_session(work_folder("")).end, "");
  add(run_names::withdrawn, withdrawn_path("", shard_path(shard)), "");
  add(run_names::regenerated, regenerated_folder("") + "/", "");
  return files;
}

}  // namespace ditbatch
