#pragma once

#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "mesh/device_mesh.hpp"
#include "supervise/rank_place.hpp"

namespace ditbatch {

/// Writes run.toml (the effective config) and session.json (who runs where, with what versions and
/// which allow-listed environment variables) into a session's folder.
void write_session_files(std::string const& folder, RunConfig const& config, MeshShape const& mesh,
                         std::vector<RankPlace> const& places, std::string const& hardware,
                         std::string const& checkpoint_id);

}  // namespace ditbatch
