#include "mesh/row_tiles.hpp"

#include <algorithm>

namespace ditbatch {

namespace {

// Enough for the ranks of a node; more tiles cost a GPU time, fewer leave ranks idle.
constexpr std::int64_t most_tiles = 8;

}  // namespace

int RowTiles::owner_of(std::int64_t tile) const {
  auto const holds = [tile](Shard const& run) { return tile >= run.offset && tile < run.end(); };
  return static_cast<int>(std::find_if(owners.begin(), owners.end(), holds) - owners.begin());
}

std::int64_t RowTiles::rows_of(int at_rank, std::int64_t scale) const {
  Shard const run = owners[static_cast<std::size_t>(at_rank)];
  std::int64_t rows = 0;
  for (std::int64_t tile = run.offset; tile < run.end(); ++tile)
    rows += tiles[static_cast<std::size_t>(tile)].size;
  return rows * scale;
}

RowTiles make_row_tiles(std::int64_t rows, int ranks, int rank) {
  auto const count = static_cast<int>(std::min(rows, most_tiles));
  return {shards_of(rows, count), shards_of(count, ranks), rank};
}

}  // namespace ditbatch
