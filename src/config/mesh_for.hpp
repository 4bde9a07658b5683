#pragma once

#include "config/run_config.hpp"
#include "core/problem.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// What a model allows a mesh to be.
struct MeshLimits {
  int heads = 0;  // the ulysses degree must divide them; 0: not known
};

/// The mesh of a world. One that does not fit is a problem that names the nearest one that does.
[[nodiscard]] MeshShape mesh_for(RunConfig const& run, int ranks, MeshLimits const& limits,
                                 Problems& problems);

}  // namespace ditbatch
