#include "models/vae/vae_blocks.hpp"

#include <ATen/ATen.h>

#include "ops/convolution.hpp"

namespace ditbatch::vae {

namespace {

constexpr double norm_eps = 1e-6;

at::Tensor or_empty(std::vector<at::Tensor> const& rows, std::int64_t columns,
                    at::Tensor const& like) {
  auto const options = at::TensorOptions().dtype(at::kFloat).device(like.device());
  return rows.empty() ? at::empty({0, columns}, options) : at::stack(rows);
}

// Older files name the attention's linear layers otherwise.
ops::Linear take_attention_linear(WeightSource& source, std::string const& block,
                                  std::string const& name, std::string const& old_name,
                                  std::int64_t channels) {
  return {
      source.take({block + name + ".weight", {channels, channels}, {block + old_name + ".weight"}}),
      source.take({block + name + ".bias", {channels}, {block + old_name + ".bias"}})};
}

}  // namespace

Convolution take_convolution(WeightSource& source, std::string const& name, std::int64_t in,
                             std::int64_t out, std::int64_t kernel) {
  return {source.take({name + ".weight", {out, in, kernel, kernel}}),
          source.take({name + ".bias", {out}})};
}

RowMap Convolution::operator()(RowMap const& map, RowPlan const& plan) const {
  if (weight.size(2) == 1) {
    return for_each_tile(
        map, [this](at::Tensor const& tile) { return ops::convolve_1x1(tile, weight, bias); });
  }
  RowMap result;
  result.scale = map.scale;
  for (at::Tensor const& tile : with_halo(map, plan, weight)) {
    result.own.push_back(ops::convolve_3x3_with_halo(tile, weight, bias));
  }
  return result;
}

GroupNorm take_group_norm(WeightSource& source, std::string const& name, std::int64_t channels,
                          std::int64_t groups) {
  return {source.take({name + ".weight", {channels}}), source.take({name + ".bias", {channels}}),
          groups};
}

RowMap GroupNorm::operator()(RowMap const& map, RowPlan const& plan, std::int64_t width,
                             Activation activation) const {
  std::int64_t rows = 0;
  for (Shard const& tile : plan.tiles.tiles) rows += tile.size * map.scale;
  std::int64_t const channels = weight.size(0);
  double const count = static_cast<double>(channels / groups) * static_cast<double>(rows) *
                       static_cast<double>(width);

  // (tiles, groups) in double: the same sum in the same order on every rank
  auto const sum_over_map = [&](auto const& sum_of_tile) {
    std::vector<at::Tensor> sums;
    for (at::Tensor const& tile : map.own)
      sums.push_back(sum_of_tile(tile.to(at::kFloat).reshape({groups, -1})));
    return gather_tile_rows(or_empty(sums, groups, weight), plan).to(at::kDouble).sum(0);
  };
  at::Tensor const mean =
      (sum_over_map([](at::Tensor const& x) { return x.sum(1); }) / count).to(at::kFloat);
  at::Tensor const variance =
      sum_over_map([&](at::Tensor const& x) { return (x - mean.unsqueeze(1)).square().sum(1); }) /
      count;
  at::Tensor const scale = at::rsqrt(variance + norm_eps).to(at::kFloat);

  at::Tensor const gain = weight.to(at::kFloat).view({1, -1, 1, 1});
  at::Tensor const offset = bias.to(at::kFloat).view({1, -1, 1, 1});
  return for_each_tile(map, [&](at::Tensor const& tile) {
    at::Tensor const grouped = tile.to(at::kFloat).reshape({groups, -1});
    at::Tensor const normed =
        ((grouped - mean.unsqueeze(1)) * scale.unsqueeze(1)).view(tile.sizes());
    at::Tensor const result = (normed * gain + offset).to(tile.scalar_type());
    return activation == Activation::silu ? ops::silu(result) : result;
  });
}

ResnetBlock take_resnet_block(WeightSource& source, std::string const& name, std::int64_t in,
                              std::int64_t out, std::int64_t groups) {
  ResnetBlock block{take_group_norm(source, name + ".norm1", in, groups),
                    take_convolution(source, name + ".conv1", in, out, 3),
                    take_group_norm(source, name + ".norm2", out, groups),
                    take_convolution(source, name + ".conv2", out, out, 3), std::nullopt};
  if (in != out) block.shortcut = take_convolution(source, name + ".conv_shortcut", in, out, 1);
  return block;
}

RowMap ResnetBlock::operator()(RowMap const& map, RowPlan const& plan, std::int64_t width) const {
  RowMap hidden = conv_1(norm_1(map, plan, width, Activation::silu), plan);
  hidden = conv_2(norm_2(hidden, plan, width, Activation::silu), plan);
  RowMap const input = shortcut ? (*shortcut)(map, plan) : map;
  for (std::size_t i = 0; i < hidden.own.size(); ++i) hidden.own[i] = input.own[i] + hidden.own[i];
  return hidden;
}

PixelAttention take_pixel_attention(WeightSource& source, std::string const& name,
                                    std::int64_t channels, std::int64_t groups) {
  return {take_group_norm(source, name + ".group_norm", channels, groups),
          take_attention_linear(source, name + ".", "to_q", "query", channels),
          take_attention_linear(source, name + ".", "to_k", "key", channels),
          take_attention_linear(source, name + ".", "to_v", "value", channels),
          take_attention_linear(source, name + ".", "to_out.0", "proj_attn", channels)};
}

RowMap PixelAttention::operator()(RowMap const& map, RowPlan const& plan,
                                  std::int64_t width) const {
  std::int64_t const channels = norm.weight.size(0);
  std::vector<at::Tensor> queries;  // (pixels of the tile, C)
  std::vector<at::Tensor> keys_and_values;
  for (at::Tensor const& tile : norm(map, plan, width, Activation::none).own) {
    at::Tensor const pixels = tile.permute({0, 2, 3, 1}).reshape({-1, channels}).contiguous();
    queries.push_back(q(pixels));
    keys_and_values.push_back(at::stack({k(pixels), v(pixels)}, 1));  // (pixels, 2, C)
  }
  at::Tensor const own = keys_and_values.empty()
                             ? at::empty({0, 2, channels}, norm.weight.options())
                             : at::cat(keys_and_values);
  std::vector<std::int64_t> pixels_of_rank;
  for (int rank = 0; rank < plan.comm.size(); ++rank)
    pixels_of_rank.push_back(plan.tiles.rows_of(rank, map.scale) * width);
  at::Tensor const all =
      plan.comm.all_gather_rows(own, pixels_of_rank);  // (all pixels, 2, C), comm: replica
  at::Tensor const keys = all.select(1, 0).contiguous().view({1, -1, 1, channels});
  at::Tensor const values = all.select(1, 1).contiguous().view({1, -1, 1, channels});

  RowMap result;
  result.scale = map.scale;
  for (std::size_t i = 0; i < map.own.size(); ++i) {
    at::Tensor const attended = ops::attention(queries[i].view({1, -1, 1, channels}), keys, values);
    at::Tensor const projected = out(attended.reshape({-1, channels}));
    result.own.push_back(
        projected.view({1, map.own[i].size(2), width, channels}).permute({0, 3, 1, 2}) +
        map.own[i]);
  }
  return result;
}

RowMap upsample_nearest(RowMap const& map) {
  RowMap result = for_each_tile(map, [](at::Tensor const& tile) {
    return tile.repeat_interleave(2, 2).repeat_interleave(2, 3);
  });
  result.scale = map.scale * 2;
  return result;
}

}  // namespace ditbatch::vae
