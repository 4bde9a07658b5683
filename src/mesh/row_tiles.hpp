#pragma once

#include <vector>

#include "mesh/shard.hpp"

namespace ditbatch {

/// A map of rows cut into tiles whose borders depend on the image size alone, and the contiguous
/// run of whole tiles that each rank owns. Ranks beyond the tiles own none. Borders lie at the
/// coarsest level, so that every finer map is cut at the same places.
struct RowTiles {
  std::vector<Shard> tiles;   // rows at the coarsest level
  std::vector<Shard> owners;  // by rank: which tiles
  int rank = 0;

  [[nodiscard]] Shard own() const { return owners[static_cast<std::size_t>(rank)]; }
  /// The rank that owns a tile.
  [[nodiscard]] int owner_of(std::int64_t tile) const;
  /// Rows of all tiles of a rank, at a level that is `scale` times finer.
  [[nodiscard]] std::int64_t rows_of(int at_rank, std::int64_t scale) const;
};

[[nodiscard]] RowTiles make_row_tiles(std::int64_t rows, int ranks, int rank);

}  // namespace ditbatch
