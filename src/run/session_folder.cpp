#include "run/session_folder.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/build_info.hpp"
#include "core/json_text.hpp"
#include "core/trace.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// No secrets in files: only variables that say how the job was launched.
constexpr std::array allowed_variables{
    "SLURM_JOB_ID",        "SLURM_JOB_NAME",       "SLURM_JOB_PARTITION", "SLURM_JOB_NODELIST",
    "SLURM_NTASKS",        "SLURM_ARRAY_JOB_ID",   "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT",
    "SLURM_CPUS_PER_TASK", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",     "NCCL_SOCKET_IFNAME",
    "NCCL_IB_HCA",         "NCCL_DEBUG",           "NCCL_HOSTID",         "OMPI_MCA_pml"};

}  // namespace

void write_session_file(std::string const& path, MeshShape const& mesh,
                        std::vector<RankPlace> const& places, std::string const& hardware,
                        std::string const& checkpoint_id) {
  std::map<std::string, std::string> environment;
  for (char const* name : allowed_variables) {
    if (char const* value = std::getenv(name)) environment[name] = value;
  }
  json ranks = json::array();
  for (RankPlace const& place : places) ranks.push_back(json_of(to_message(place)));
  json const session{{"begin_unix_ns", unix_time_ns()},
                     {"software", "ditbatch"},
                     {"version", build_info::version},
                     {"git_revision", build_info::git_revision},
                     {"torch_version", build_info::torch_version},
                     {"hdf5_version", build_info::hdf5_version},
                     {"layout", layout_name(mesh)},
                     {"hardware", hardware},
                     {"checkpoint_id", checkpoint_id},
                     {"environment", environment},
                     {"ranks", ranks}};
  replace_file(path, to_text(session, 2) + "\n");
}

std::vector<RankPlace> read_session_ranks(std::string const& path) {
  json const session = json_file_or_discarded(path);
  std::vector<RankPlace> places;
  try {
    for (json const& rank : session.at("ranks"))
      places.push_back(rank_place_from_message(to_text(rank)));
  } catch (json::exception const&) {
    return {};
  }
  return places;
}

// A session that was killed in its first second has none yet.
std::optional<std::string> newest_run_toml(std::string const& run_dir) {
  std::vector<int> const sessions = session_numbers(run_dir);
  for (auto session = sessions.rbegin(); session != sessions.rend(); ++session) {
    std::string const path = session_paths(run_dir, *session).run_toml;
    if (std::filesystem::exists(path)) return path;
  }
  return std::nullopt;
}

}  // namespace ditbatch
