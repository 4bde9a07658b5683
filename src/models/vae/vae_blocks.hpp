#pragma once

#include <optional>
#include <string>

#include "models/vae/row_map.hpp"
#include "models/vae/vae_config.hpp"
#include "ops/ops.hpp"

namespace ditbatch::vae {

/// weight (N, C, 3, 3) or (N, C, 1, 1), bias (N)
struct Convolution {
  at::Tensor weight;
  at::Tensor bias;
  [[nodiscard]] RowMap operator()(RowMap const& map, RowPlan const& plan) const;
};
[[nodiscard]] Convolution take_convolution(WeightSource& source, std::string const& name,
                                           std::int64_t in, std::int64_t out, std::int64_t kernel);

enum class Activation { none, silu };

/// Exact over the whole map: each tile's sums in float32, mean first, then squared distances; the
/// sums of all tiles are added in the order of tiles.
struct GroupNorm {
  at::Tensor weight;  // (C)
  at::Tensor bias;
  std::int64_t groups = 32;
  [[nodiscard]] RowMap operator()(RowMap const& map, RowPlan const& plan, std::int64_t width,
                                  Activation activation) const;
};
[[nodiscard]] GroupNorm take_group_norm(WeightSource& source, std::string const& name,
                                        std::int64_t channels, std::int64_t groups);

/// norm, silu, conv, norm, silu, conv, plus the input (through a 1x1 convolution where channels
/// change).
struct ResnetBlock {
  GroupNorm norm_1;
  Convolution conv_1;
  GroupNorm norm_2;
  Convolution conv_2;
  std::optional<Convolution> shortcut;
  [[nodiscard]] RowMap operator()(RowMap const& map, RowPlan const& plan, std::int64_t width) const;
};
[[nodiscard]] ResnetBlock take_resnet_block(WeightSource& source, std::string const& name,
                                            std::int64_t in, std::int64_t out, std::int64_t groups);

/// One head over all pixels: keys and values are gathered, queries go tile by tile.
struct PixelAttention {
  GroupNorm norm;
  ops::Linear q, k, v, out;
  [[nodiscard]] RowMap operator()(RowMap const& map, RowPlan const& plan, std::int64_t width) const;
};
[[nodiscard]] PixelAttention take_pixel_attention(WeightSource& source, std::string const& name,
                                                  std::int64_t channels, std::int64_t groups);

/// Each pixel becomes 2x2.
[[nodiscard]] RowMap upsample_nearest(RowMap const& map);

}  // namespace ditbatch::vae
