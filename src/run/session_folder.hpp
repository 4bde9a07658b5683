#pragma once

#include <optional>
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

/// The ranks that the file names; none where it is not there or cannot be understood.
[[nodiscard]] std::vector<RankPlace> read_session_ranks(std::string const& path);

/// The run.toml of the newest session that has one; nothing where none has.
[[nodiscard]] std::optional<std::string> newest_run_toml(std::string const& run_dir);

}  // namespace ditbatch
