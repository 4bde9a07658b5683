#pragma once

#include <vector>

#include "core/term.hpp"

namespace ditbatch {

/// The columns of shards of this version in the order of the file, with their types as NumPy names
/// them and their shapes: N rows, H x W pixels, P phases.
[[nodiscard]] std::vector<TermEntry> column_entries(int version);

/// The attributes of such shards, of the file but for that of the images.
[[nodiscard]] std::vector<TermEntry> attribute_entries(int version);

}  // namespace ditbatch
