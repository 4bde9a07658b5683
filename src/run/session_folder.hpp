#pragma once

#include <string>
#include <vector>

#include "mesh/device_mesh.hpp"
#include "supervise/rank_place.hpp"

namespace ditbatch {

/// Writes a session's session.json: who runs where, with what versions and which
/// allow-listed environment variables.
void write_session_file(std::string const& path, MeshShape const& mesh,
                        std::vector<RankPlace> const& places, std::string const& hardware,
                        std::string const& checkpoint_id);

}  // namespace ditbatch
