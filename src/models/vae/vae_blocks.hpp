#pragma once

#include <optional>
#include <string>

#include "models/vae/group_norm.hpp"
#include "models/vae/row_map.hpp"
#include "models/vae/vae_config.hpp"
#include "ops/ops.hpp"

namespace ditbatch::vae {

/// 3x3, of a padded map whose halo it exchanges first.
struct Convolution {
  at::Tensor weight;  // as ops::convolution_weight makes it of (N, C, 3, 3)
  at::Tensor bias;    // (N)
  [[nodiscard]] RowMap operator()(PaddedMap const& map, RowPlan const& plan) const;
};
[[nodiscard]] Convolution take_convolution(WeightSource& source, std::string const& name,
                                           std::int64_t in, std::int64_t out);

/// 1x1: (out, in, 1, 1) as a linear layer over pixels.
struct PixelLinear {
  ops::Linear linear;
  /// Of the map's rows, which must miss no bias -> (own rows, W, out).
  [[nodiscard]] at::Tensor operator()(RowMap const& map, RowPlan const& plan) const;
};
[[nodiscard]] PixelLinear take_pixel_linear(WeightSource& source, std::string const& name,
                                            std::int64_t in, std::int64_t out);

/// norm, silu, conv, norm, silu, conv, plus the input (through a 1x1 convolution where channels
/// change).
struct ResnetBlock {
  GroupNorm norm_1;
  Convolution conv_1;
  GroupNorm norm_2;
  Convolution conv_2;
  std::optional<PixelLinear> shortcut;
  [[nodiscard]] RowMap operator()(RowMap const& map, RowPlan const& plan) const;
};
[[nodiscard]] ResnetBlock take_resnet_block(WeightSource& source, std::string const& name,
                                            std::int64_t in, std::int64_t out, std::int64_t groups);

/// One head over all pixels: keys and values are gathered, queries go tile by tile.
struct PixelAttention {
  GroupNorm norm;
  PixelLinear q, k, v, out;
  [[nodiscard]] RowMap operator()(RowMap const& map, RowPlan const& plan) const;
};
[[nodiscard]] PixelAttention take_pixel_attention(WeightSource& source, std::string const& name,
                                                  std::int64_t channels, std::int64_t groups);

/// Each pixel becomes 2x2.
[[nodiscard]] PaddedMap upsample_nearest(RowMap const& map);

/// The map with its bias and `residual` added, and its moments where the same pass takes them.
/// residual: as the rows, or undefined.
[[nodiscard]] RowMap add(RowMap const& map, at::Tensor const& residual, RowPlan const& plan,
                         std::int64_t groups);

}  // namespace ditbatch::vae
