#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "comm/tensor_comm.hpp"
#include "mesh/row_tiles.hpp"

namespace ditbatch::vae {

/// How the decoder's maps are spread over the ranks of a replica.
struct RowPlan {
  RowTiles tiles;
  TensorComm& comm;  // rank = place among the owners
};

/// A map (1, C, H, W) cut into row tiles, of which this rank holds its own, in order.
/// Every operation works on one tile at a time, so that no call's shape depends on the number of
/// ranks.
struct RowMap {
  std::vector<at::Tensor> own;  // (1, C, rows of the tile, W) each
  std::int64_t scale = 1;       // rows here for each row at the coarsest level
};

/// This rank's tiles of a map that every rank holds in full.
[[nodiscard]] RowMap cut(at::Tensor const& full, RowPlan const& plan);

[[nodiscard]] RowMap for_each_tile(RowMap const& map,
                                   std::function<at::Tensor(at::Tensor const&)> const& function);

/// Each own tile with a row above and one below: a neighbour's, or zeros at the border of the map.
/// A collective of the plan's ranks; those without tiles take part with empty pieces of the same
/// dtype and device, which they know from `like`.
[[nodiscard]] std::vector<at::Tensor> with_halo(RowMap const& map, RowPlan const& plan,
                                                at::Tensor const& like);

/// One row of numbers for each own tile (own tiles, N) -> all tiles in order (tiles, N),
/// everywhere.
[[nodiscard]] at::Tensor gather_tile_rows(at::Tensor const& own_rows, RowPlan const& plan);

}  // namespace ditbatch::vae
