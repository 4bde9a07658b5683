#include "models/vae/row_map.hpp"

#include <ATen/ATen.h>

namespace ditbatch::vae {

ops::TileRows own_tile_rows(RowPlan const& plan, std::int64_t scale) {
  Shard const own = plan.tiles.own();
  ops::TileRows const all = all_tile_rows(plan, scale);
  return {all.begin() + own.offset, all.begin() + own.end()};
}

ops::TileRows all_tile_rows(RowPlan const& plan, std::int64_t scale) {
  ops::TileRows rows;
  for (Shard const& tile : plan.tiles.tiles) rows.push_back(tile.size * scale);
  return rows;
}

RowMap cut(at::Tensor const& full, RowPlan const& plan) {
  Shard const own = plan.tiles.own();
  std::int64_t const rows = plan.tiles.rows_of(plan.tiles.rank, 1);
  std::int64_t const begin =
      own.size > 0 ? plan.tiles.tiles[static_cast<std::size_t>(own.offset)].offset : 0;
  RowMap map;
  map.rows = ops::empty_rows(rows, full.size(3), full.size(1), full.options());
  map.rows.copy_(full.squeeze(0).narrow(1, begin, rows).permute({1, 2, 0}));
  return map;
}

void exchange_halo(PaddedMap const& map, RowPlan const& plan) {
  int const ranks = plan.comm.size();
  if (ranks == 1) return;
  Shard const own = plan.tiles.own();
  auto const count = static_cast<std::int64_t>(plan.tiles.tiles.size());
  int const above = own.size > 0 && own.offset > 0 ? plan.tiles.owner_of(own.offset - 1) : -1;
  int const below = own.size > 0 && own.end() < count ? plan.tiles.owner_of(own.end()) : -1;

  at::Tensor const nothing = at::empty({0}, map.rows.options());
  std::vector<at::Tensor> send(static_cast<std::size_t>(ranks), nothing);
  std::vector<std::vector<std::int64_t>> shapes(static_cast<std::size_t>(ranks), {0});
  auto const exchange_with = [&](int neighbour, at::Tensor const& row) {
    send[static_cast<std::size_t>(neighbour)] = row.contiguous();
    shapes[static_cast<std::size_t>(neighbour)] = row.sizes().vec();  // what comes back looks alike
  };
  std::int64_t const last = map.rows.size(0) - 1;
  if (above >= 0) exchange_with(above, map.rows.narrow(0, 1, 1));
  if (below >= 0) exchange_with(below, map.rows.narrow(0, last - 1, 1));
  std::vector<at::Tensor> const received = plan.comm.all_to_all(send, shapes);  // comm: replica
  if (above >= 0) map.rows.narrow(0, 0, 1).copy_(received[static_cast<std::size_t>(above)]);
  if (below >= 0) map.rows.narrow(0, last, 1).copy_(received[static_cast<std::size_t>(below)]);
}

at::Tensor gather_tile_rows(at::Tensor const& own_rows, RowPlan const& plan) {
  return plan.comm.all_gather_rows(own_rows, sizes_of(plan.tiles.owners));  // comm: replica
}

}  // namespace ditbatch::vae
