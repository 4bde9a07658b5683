#include "models/vae/group_norm.hpp"

#include <ATen/ATen.h>

namespace ditbatch::vae {

namespace {

constexpr double eps = 1e-6;

// On CPUs: the mean over the map first, then the squared distances from it.
ops::GroupScale scale_in_two_passes(RowMap const& map, RowPlan const& plan, std::int64_t groups) {
  std::int64_t rows = 0;
  for (std::int64_t const of_tile : all_tile_rows(plan, map.scale)) rows += of_tile;
  double const count = static_cast<double>(map.rows.size(2) / groups) * static_cast<double>(rows) *
                       static_cast<double>(map.rows.size(1));

  // (tiles, groups) in double: the same sum in the same order on every rank
  auto const sum_over_map = [&](auto const& sum_of_tile) {
    ops::TileRows const tiles = own_tile_rows(plan, map.scale);
    at::Tensor const sums = at::empty({static_cast<std::int64_t>(tiles.size()), groups},
                                      map.rows.options().dtype(at::kFloat));
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      at::Tensor const tile = ops::as_planes(map.rows.narrow(0, begin, tiles[i]));
      begin += tiles[i];
      sums[static_cast<std::int64_t>(i)].copy_(
          sum_of_tile(tile.to(at::kFloat).reshape({groups, -1})));
    }
    return gather_tile_rows(sums, plan).to(at::kDouble).sum(0);
  };
  at::Tensor const mean =
      (sum_over_map([](at::Tensor const& x) { return x.sum(1); }) / count).to(at::kFloat);
  at::Tensor const variance =
      sum_over_map([&](at::Tensor const& x) { return (x - mean.unsqueeze(1)).square().sum(1); }) /
      count;
  return {mean, at::rsqrt(variance + eps).to(at::kFloat)};
}

// On GPUs: mean and squared distances of each tile, in the pass that wrote the map or in one that
// reads it.
ops::GroupScale scale_in_one_pass(RowMap const& map, RowPlan const& plan, std::int64_t groups) {
  ops::GroupMoments const own =
      map.moments.defined()
          ? map.moments
          : ops::tile_moments(map.biased(), own_tile_rows(plan, map.scale), groups);
  std::vector<std::int64_t> values;
  for (std::int64_t const rows : all_tile_rows(plan, map.scale))
    values.push_back(rows * map.rows.size(1) * (map.rows.size(2) / groups));
  return ops::combine_moments(gather_tile_rows(own, plan), values, eps);
}

}  // namespace

GroupNorm take_group_norm(WeightSource& source, std::string const& name, std::int64_t channels,
                          std::int64_t groups) {
  return {{source.take({name + ".weight", {channels}}), source.take({name + ".bias", {channels}})},
          groups};
}

PaddedMap GroupNorm::operator()(RowMap const& map, RowPlan const& plan,
                                ops::Activation activation) const {
  ops::GroupScale const over_map = map.rows.is_cuda() ? scale_in_one_pass(map, plan, groups)
                                                      : scale_in_two_passes(map, plan, groups);
  return {ops::normalise_rows(map.biased(), over_map, affine, activation), map.scale};
}

}  // namespace ditbatch::vae
