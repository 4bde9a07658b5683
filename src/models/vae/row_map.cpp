#include "models/vae/row_map.hpp"

#include <ATen/ATen.h>

namespace ditbatch::vae {

RowMap cut(at::Tensor const& full, RowPlan const& plan) {
  RowMap map;
  Shard const own = plan.tiles.own();
  for (std::int64_t tile = own.offset; tile < own.end(); ++tile) {
    Shard const rows = plan.tiles.tiles[static_cast<std::size_t>(tile)];
    map.own.push_back(full.narrow(2, rows.offset, rows.size).contiguous());
  }
  return map;
}

RowMap for_each_tile(RowMap const& map,
                     std::function<at::Tensor(at::Tensor const&)> const& function) {
  RowMap result;
  result.scale = map.scale;
  for (at::Tensor const& tile : map.own) result.own.push_back(function(tile));
  return result;
}

namespace {

struct EdgeRows {
  at::Tensor above;  // (1, C, 1, W) each; undefined at the border of the map or without tiles
  at::Tensor below;
};

// The rows next to this rank's first and last tile. Every rank calls it, or the others hang.
EdgeRows exchange_edges(RowMap const& map, RowPlan const& plan, at::TensorOptions const& options) {
  int const ranks = plan.comm.size();
  Shard const own = plan.tiles.own();
  auto const count = static_cast<std::int64_t>(plan.tiles.tiles.size());
  int const above = own.size > 0 && own.offset > 0 ? plan.tiles.owner_of(own.offset - 1) : -1;
  int const below = own.size > 0 && own.end() < count ? plan.tiles.owner_of(own.end()) : -1;

  at::Tensor const nothing = at::empty({0}, options);
  std::vector<at::Tensor> send(static_cast<std::size_t>(ranks), nothing);
  std::vector<std::vector<std::int64_t>> shapes(static_cast<std::size_t>(ranks), {0});
  auto const exchange_with = [&](int neighbour, at::Tensor const& row) {
    send[static_cast<std::size_t>(neighbour)] = row.contiguous();
    shapes[static_cast<std::size_t>(neighbour)] = row.sizes().vec();  // what comes back looks alike
  };
  if (above >= 0) exchange_with(above, map.own.front().narrow(2, 0, 1));
  if (below >= 0) exchange_with(below, map.own.back().narrow(2, map.own.back().size(2) - 1, 1));
  std::vector<at::Tensor> const received = plan.comm.all_to_all(send, shapes);  // comm: replica
  return {above >= 0 ? received[static_cast<std::size_t>(above)] : at::Tensor(),
          below >= 0 ? received[static_cast<std::size_t>(below)] : at::Tensor()};
}

}  // namespace

std::vector<at::Tensor> with_halo(RowMap const& map, RowPlan const& plan, at::Tensor const& like) {
  EdgeRows const edges = exchange_edges(map, plan, like.options());
  if (map.own.empty()) return {};
  at::Tensor const zeros = at::zeros_like(map.own.front().narrow(2, 0, 1));
  std::vector<at::Tensor> result;
  for (std::size_t i = 0; i < map.own.size(); ++i) {
    bool const is_first = i == 0;
    bool const is_last = i + 1 == map.own.size();
    at::Tensor const above = is_first ? (edges.above.defined() ? edges.above : zeros)
                                      : map.own[i - 1].narrow(2, map.own[i - 1].size(2) - 1, 1);
    at::Tensor const below =
        is_last ? (edges.below.defined() ? edges.below : zeros) : map.own[i + 1].narrow(2, 0, 1);
    result.push_back(at::cat({above, map.own[i], below}, 2));
  }
  return result;
}

at::Tensor gather_tile_rows(at::Tensor const& own_rows, RowPlan const& plan) {
  return plan.comm.all_gather_rows(own_rows, sizes_of(plan.tiles.owners));  // comm: replica
}

}  // namespace ditbatch::vae
