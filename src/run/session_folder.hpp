#pragma once

#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// What one rank tells about where it runs.
struct RankPlace {
  int rank = 0;
  int replica = 0;
  std::string host;
  std::string device;    // "cpu" or the GPU's name
  std::string gpu_uuid;  // empty on CPUs
  std::string driver;    // the GPU's; empty on CPUs
};
[[nodiscard]] std::string to_message(RankPlace const& place);
[[nodiscard]] RankPlace rank_place_from_message(std::string const& message);

/// Writes run.toml (the effective config) and session.json (who runs where, with what versions and
/// which allow-listed environment variables) into a session's folder.
void write_session_files(std::string const& folder, RunConfig const& config, MeshShape const& mesh,
                         std::vector<RankPlace> const& places, std::string const& hardware,
                         std::string const& checkpoint_id);

}  // namespace ditbatch
