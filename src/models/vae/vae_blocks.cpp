#include "models/vae/vae_blocks.hpp"

#include <ATen/ATen.h>

#include "ops/convolution.hpp"

namespace ditbatch::vae {

namespace {

// Older files name the attention's linear layers otherwise.
PixelLinear take_attention_linear(WeightSource& source, std::string const& block,
                                  std::string const& name, std::string const& old_name,
                                  std::int64_t channels) {
  return {{source.take(
               {block + name + ".weight", {channels, channels}, {block + old_name + ".weight"}}),
           source.take({block + name + ".bias", {channels}, {block + old_name + ".bias"}})}};
}

}  // namespace

Convolution take_convolution(WeightSource& source, std::string const& name, std::int64_t in,
                             std::int64_t out) {
  return {ops::convolution_weight(source.take({name + ".weight", {out, in, 3, 3}})),
          source.take({name + ".bias", {out}})};
}

RowMap Convolution::operator()(PaddedMap const& map, RowPlan const& plan) const {
  exchange_halo(map, plan);
  ops::BiasedRows const made =
      ops::convolve_3x3(map.rows, own_tile_rows(plan, map.scale), weight, bias);
  return {made.rows, made.bias, {}, map.scale};
}

PixelLinear take_pixel_linear(WeightSource& source, std::string const& name, std::int64_t in,
                              std::int64_t out) {
  return {{source.take({name + ".weight", {out, in, 1, 1}}).view({out, in}),
           source.take({name + ".bias", {out}})}};
}

at::Tensor PixelLinear::operator()(RowMap const& map, RowPlan const& plan) const {
  return ops::convolve_1x1(map.rows, own_tile_rows(plan, map.scale), linear);
}

ResnetBlock take_resnet_block(WeightSource& source, std::string const& name, std::int64_t in,
                              std::int64_t out, std::int64_t groups) {
  ResnetBlock block{take_group_norm(source, name + ".norm1", in, groups),
                    take_convolution(source, name + ".conv1", in, out),
                    take_group_norm(source, name + ".norm2", out, groups),
                    take_convolution(source, name + ".conv2", out, out), std::nullopt};
  if (in != out) block.shortcut = take_pixel_linear(source, name + ".conv_shortcut", in, out);
  return block;
}

RowMap ResnetBlock::operator()(RowMap const& map, RowPlan const& plan) const {
  RowMap hidden = conv_1(norm_1(map, plan, ops::Activation::silu), plan);
  hidden = conv_2(norm_2(hidden, plan, ops::Activation::silu), plan);
  at::Tensor const input = shortcut ? (*shortcut)(map, plan) : map.rows;
  return add(hidden, input, plan, norm_1.groups);
}

PixelAttention take_pixel_attention(WeightSource& source, std::string const& name,
                                    std::int64_t channels, std::int64_t groups) {
  return {take_group_norm(source, name + ".group_norm", channels, groups),
          take_attention_linear(source, name + ".", "to_q", "query", channels),
          take_attention_linear(source, name + ".", "to_k", "key", channels),
          take_attention_linear(source, name + ".", "to_v", "value", channels),
          take_attention_linear(source, name + ".", "to_out.0", "proj_attn", channels)};
}

RowMap PixelAttention::operator()(RowMap const& map, RowPlan const& plan) const {
  std::int64_t const width = map.rows.size(1);
  std::int64_t const channels = map.rows.size(2);
  RowMap normed;
  normed.rows = ops::inner_rows(norm(map, plan, ops::Activation::none).rows);
  normed.scale = map.scale;
  std::vector<std::int64_t> pixels_of_rank;
  for (int rank = 0; rank < plan.comm.size(); ++rank)
    pixels_of_rank.push_back(plan.tiles.rows_of(rank, map.scale) * width);
  auto const as_pixels = [&](PixelLinear const& linear) {
    return linear(normed, plan).reshape({-1, channels}).contiguous();  // (own pixels, C)
  };
  // (all pixels, C), as one sequence of one head
  auto const gathered = [&](at::Tensor const& own) {
    return plan.comm
        .all_gather_rows(own, pixels_of_rank)  // comm: replica
        .view({1, -1, 1, channels});
  };
  at::Tensor const keys = gathered(as_pixels(k));
  at::Tensor const values = gathered(as_pixels(v));

  at::Tensor const queries = as_pixels(q);
  RowMap attended;
  attended.rows = at::empty(map.rows.sizes(), queries.options());
  attended.scale = map.scale;
  std::int64_t begin = 0;
  for (std::int64_t const rows : own_tile_rows(plan, map.scale)) {
    at::Tensor const of_tile = queries.narrow(0, begin * width, rows * width);
    attended.rows.narrow(0, begin, rows)
        .copy_(ops::attention(of_tile.view({1, -1, 1, channels}), keys, values)
                   .reshape({rows, width, channels}));
    begin += rows;
  }
  return add({out(attended, plan), {}, {}, map.scale}, map.rows, plan, norm.groups);
}

PaddedMap upsample_nearest(RowMap const& map) {
  return {ops::upsample_rows(map.rows), map.scale * 2};
}

RowMap add(RowMap const& map, at::Tensor const& residual, RowPlan const& plan,
           std::int64_t groups) {
  ops::SummedRows const sum =
      ops::add_rows(map.biased(), residual, own_tile_rows(plan, map.scale), groups);
  return {sum.rows, {}, sum.moments, map.scale};
}

}  // namespace ditbatch::vae
