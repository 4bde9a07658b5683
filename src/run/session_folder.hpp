#pragma once

#include <string>
#include <vector>

#include "mesh/device_mesh.hpp"
#include "supervise/rank_place.hpp"

namespace ditbatch {

/// Writes session.json into a session's folder: who runs where, with what versions and which
/// allow-listed environment variables.
void write_session_file(std::string const& folder, MeshShape const& mesh,
                        std::vector<RankPlace> const& places, std::string const& hardware,
                        std::string const& checkpoint_id);

}  // namespace ditbatch
