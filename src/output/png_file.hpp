#pragma once

#include <string>

#include "output/shard_row.hpp"

namespace ditbatch {

/// Writes the image as a PNG file that appears under its name when it is whole, with what made it
/// in the text chunks `parameters` (as the webuis write it) and `provenance` (JSON). From any
/// thread. Throws Error(io).
void write_png(std::string const& path, ShardRow const& row, std::string const& provenance);

}  // namespace ditbatch
