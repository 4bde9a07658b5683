#pragma once

#include <string>

namespace ditbatch {

/// Throws Error(io) where this is no run folder, with the one that was perhaps meant: commands on
/// a folder would otherwise find nothing in it, and say that all is well.
void require_run_folder(std::string const& path);

}  // namespace ditbatch
