#include "ops/map_ops.hpp"

#include <ATen/ATen.h>

#include "ops/ops.hpp"
#if DITBATCH_CUDA
#include "ops/cuda/map_ops.hpp"
#endif

namespace ditbatch::ops {

at::Tensor empty_rows(std::int64_t rows, std::int64_t width, std::int64_t channels,
                      at::TensorOptions const& options) {
  if (options.device().is_cuda()) return at::empty({rows, width, channels}, options);
  return at::empty({channels, rows, width}, options).permute({1, 2, 0});
}

at::Tensor as_planes(at::Tensor const& rows) { return rows.permute({2, 0, 1}); }

at::Tensor pad_rows(at::Tensor const& x) {
  at::Tensor const padded = empty_rows(x.size(0) + 2, x.size(1), x.size(2), x.options());
  padded.narrow(0, 0, 1).zero_();
  padded.narrow(0, x.size(0) + 1, 1).zero_();
  inner_rows(padded).copy_(x);
  return padded;
}

at::Tensor inner_rows(at::Tensor const& padded) { return padded.narrow(0, 1, padded.size(0) - 2); }

namespace plain {

namespace {

at::Tensor with_bias_in_float32(BiasedRows const& x) {
  at::Tensor const wide = x.rows.to(at::kFloat);
  return x.bias.defined() ? wide + x.bias.to(at::kFloat) : wide;
}

}  // namespace

at::Tensor add_rows(BiasedRows const& x, at::Tensor const& residual) {
  if (!x.bias.defined()) return residual.defined() ? residual + x.rows : x.rows;
  at::Tensor const sum = with_bias_in_float32(x);
  return (residual.defined() ? sum + residual.to(at::kFloat) : sum).to(x.rows.scalar_type());
}

GroupMoments tile_moments(BiasedRows const& x, TileRows const& tile_rows, std::int64_t groups) {
  at::Tensor const wide = with_bias_in_float32(x).to(at::kDouble);
  at::Tensor const moments =
      at::empty({static_cast<std::int64_t>(tile_rows.size()), groups, 2}, wide.options());
  std::int64_t begin = 0;
  for (std::size_t tile = 0; tile < tile_rows.size(); ++tile) {
    at::Tensor const values =
        as_planes(wide.narrow(0, begin, tile_rows[tile])).reshape({groups, -1});
    begin += tile_rows[tile];
    at::Tensor const mean = values.mean(1);
    moments[static_cast<std::int64_t>(tile)].copy_(
        at::stack({mean, (values - mean.unsqueeze(1)).square().sum(1)}, 1));
  }
  return moments.to(at::kFloat);
}

GroupScale combine_moments(GroupMoments const& all, std::vector<std::int64_t> const& values,
                           double eps) {
  at::Tensor const wide = all.to(at::kDouble);
  at::Tensor const counts =
      at::tensor(values, at::TensorOptions().dtype(at::kDouble)).to(all.device()).unsqueeze(1);
  at::Tensor const means = wide.select(2, 0);  // (tiles, groups)
  at::Tensor const mean = (means * counts).sum(0) / counts.sum();
  at::Tensor const squares =
      (wide.select(2, 1) + counts * (means - mean.unsqueeze(0)).square()).sum(0);
  return {mean.to(at::kFloat), at::rsqrt(squares / counts.sum() + eps).to(at::kFloat)};
}

at::Tensor normalise_rows(BiasedRows const& x, GroupScale const& over_map,
                          GroupAffine const& affine, Activation activation) {
  std::int64_t const channels = x.rows.size(2);
  std::int64_t const groups = over_map.mean.size(0);
  at::Tensor const planes = as_planes(with_bias_in_float32(x));  // (C, rows, W)
  at::Tensor const grouped = planes.reshape({groups, channels / groups * planes[0].numel()});
  at::Tensor const normed =
      ((grouped - over_map.mean.unsqueeze(1)) * over_map.scale.unsqueeze(1)).view(planes.sizes());
  at::Tensor const result = (normed * affine.gain.to(at::kFloat).view({-1, 1, 1}) +
                             affine.offset.to(at::kFloat).view({-1, 1, 1}))
                                .to(x.rows.scalar_type());
  return pad_rows((activation == Activation::silu ? ops::silu(result) : result).permute({1, 2, 0}));
}

at::Tensor upsample_rows(at::Tensor const& x) {
  return pad_rows(as_planes(x).repeat_interleave(2, 1).repeat_interleave(2, 2).permute({1, 2, 0}));
}

}  // namespace plain

SummedRows add_rows(BiasedRows const& x, at::Tensor const& residual,
                    [[maybe_unused]] TileRows const& tile_rows,
                    [[maybe_unused]] std::int64_t groups) {
#if DITBATCH_CUDA
  if (x.rows.is_cuda()) return cuda::add_rows(x, residual, tile_rows, groups);
#endif
  return {plain::add_rows(x, residual), {}};
}

GroupMoments tile_moments(BiasedRows const& x, TileRows const& tile_rows, std::int64_t groups) {
#if DITBATCH_CUDA
  if (x.rows.is_cuda()) return cuda::tile_moments(x, tile_rows, groups);
#endif
  return plain::tile_moments(x, tile_rows, groups);
}

GroupScale combine_moments(GroupMoments const& all, std::vector<std::int64_t> const& values,
                           double eps) {
#if DITBATCH_CUDA
  if (all.is_cuda()) return cuda::combine_moments(all, values, eps);
#endif
  return plain::combine_moments(all, values, eps);
}

at::Tensor normalise_rows(BiasedRows const& x, GroupScale const& over_map,
                          GroupAffine const& affine, Activation activation) {
#if DITBATCH_CUDA
  if (x.rows.is_cuda()) return cuda::normalise_rows(x, over_map, affine, activation);
#endif
  return plain::normalise_rows(x, over_map, affine, activation);
}

at::Tensor upsample_rows(at::Tensor const& x) {
#if DITBATCH_CUDA
  if (x.is_cuda()) return cuda::upsample_rows(x);
#endif
  return plain::upsample_rows(x);
}

}  // namespace ditbatch::ops
