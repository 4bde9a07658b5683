#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "comm/tensor_comm.hpp"
#include "mesh/row_tiles.hpp"
#include "ops/map_ops.hpp"

namespace ditbatch::vae {

/// How the decoder's maps are spread over the ranks of a replica.
struct RowPlan {
  RowTiles tiles;
  TensorComm& comm;  // rank = place among the owners
};

/// This rank's rows of a map that is cut into row tiles; none on ranks beyond the tiles.
/// Where bits depend on a call's shape, operations work on one tile at a time, so that no such
/// shape depends on the number of ranks.
struct RowMap {
  at::Tensor rows;            // (own rows, W, C)
  at::Tensor bias;            // (C) that a convolution left to be added, or undefined
  ops::GroupMoments moments;  // of rows, where the pass that wrote them took them, or undefined
  std::int64_t scale = 1;     // rows here for each row at the coarsest level

  [[nodiscard]] ops::BiasedRows biased() const { return {rows, bias}; }
};

/// The same with a row above and one below: zeros, until exchange_halo puts the neighbours' there.
struct PaddedMap {
  at::Tensor rows;  // (own rows + 2, W, C)
  std::int64_t scale = 1;
};

/// Rows of each tile of this rank, and of all tiles, at a level that is `scale` times finer.
[[nodiscard]] ops::TileRows own_tile_rows(RowPlan const& plan, std::int64_t scale);
[[nodiscard]] ops::TileRows all_tile_rows(RowPlan const& plan, std::int64_t scale);

/// This rank's rows of a map (1, C, H, W) that every rank holds in full.
[[nodiscard]] RowMap cut(at::Tensor const& full, RowPlan const& plan);

/// Fills the outer rows with the neighbours' where the map goes on. A collective of the plan's
/// ranks; those without tiles take part with empty pieces.
void exchange_halo(PaddedMap const& map, RowPlan const& plan);

/// A row of numbers for each own tile (own tiles, ...) -> all tiles in order (tiles, ...),
/// everywhere.
[[nodiscard]] at::Tensor gather_tile_rows(at::Tensor const& own_rows, RowPlan const& plan);

}  // namespace ditbatch::vae
