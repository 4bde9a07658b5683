#include "ops/cuda/map_ops.hpp"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>

#include <string>

#include "core/error.hpp"
#include "ops/cuda/element_of.hpp"
#include "ops/cuda/map_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

MapShape shape_of(at::Tensor const& rows) {
  ensure(rows.dim() == 3 && rows.is_contiguous(), "maps are contiguous (rows, W, C) on a GPU");
  return {rows.size(0), rows.size(1), rows.size(2), element_of(rows)};
}

TileList list_of(std::vector<std::int64_t> const& values) {
  ensure(values.size() <= TileList::most, "a rank has a few tiles at most");
  TileList list;
  list.count = static_cast<int>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) list.value[i] = values[i];
  return list;
}

// Parameters and views may start anywhere; the kernels read 16 bytes at a time.
at::Tensor aligned(at::Tensor const& x) {
  if (!x.defined()) return x;
  at::Tensor const contiguous = x.contiguous();
  return reinterpret_cast<std::uintptr_t>(contiguous.data_ptr()) % 16 == 0 ? contiguous
                                                                           : contiguous.clone();
}

void const* data_of(at::Tensor const& x) { return x.defined() ? x.data_ptr() : nullptr; }

cudaStream_t current_stream() { return at::cuda::getCurrentCUDAStream().stream(); }

// sum: undefined where it is not kept
GroupMoments run_moments(BiasedRows const& x, at::Tensor const& residual, at::Tensor const& sum,
                         TileRows const& tile_rows, std::int64_t groups) {
  auto const tiles = static_cast<std::int64_t>(tile_rows.size());
  auto const options = x.rows.options();
  GroupMoments const moments = at::empty({tiles, groups, 2}, options.dtype(at::kFloat));
  if (x.rows.numel() == 0) return moments;
  at::Tensor const in = aligned(x.rows), bias = aligned(x.bias), added = aligned(residual);
  MapShape const shape = shape_of(in);
  TileList const list = list_of(tile_rows);
  at::Tensor const scratch = at::empty(
      {static_cast<std::int64_t>(moments_scratch_bytes(shape, list))}, options.dtype(at::kByte));
  MomentsArguments arguments;
  arguments.x = in.data_ptr();
  arguments.bias = data_of(bias);
  arguments.residual = data_of(added);
  arguments.sum = sum.defined() ? sum.data_ptr() : nullptr;
  arguments.groups = static_cast<int>(groups);
  arguments.moments = reinterpret_cast<Moments*>(moments.data_ptr());
  arguments.scratch = scratch.data_ptr();
  take_moments(shape, list, arguments, current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return moments;
}

}  // namespace

SummedRows add_rows(BiasedRows const& x, at::Tensor const& residual, TileRows const& tile_rows,
                    std::int64_t groups) {
  at::Tensor const sum = at::empty_like(x.rows, at::MemoryFormat::Contiguous);
  return {sum, run_moments(x, residual, sum, tile_rows, groups)};
}

GroupMoments tile_moments(BiasedRows const& x, TileRows const& tile_rows, std::int64_t groups) {
  return run_moments(x, {}, {}, tile_rows, groups);
}

GroupScale combine_moments(GroupMoments const& all, std::vector<std::int64_t> const& values,
                           double eps) {
  GroupScale const result{at::empty({all.size(1)}, all.options()),
                          at::empty({all.size(1)}, all.options())};
  at::Tensor const moments = all.contiguous();
  combine_moments(reinterpret_cast<Moments const*>(moments.data_ptr()), list_of(values),
                  static_cast<int>(all.size(1)), eps, result.mean.data_ptr<float>(),
                  result.scale.data_ptr<float>(), current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return result;
}

at::Tensor normalise_rows(BiasedRows const& x, GroupScale const& over_map,
                          GroupAffine const& affine, Activation activation) {
  at::Tensor const in = aligned(x.rows), bias = aligned(x.bias);
  at::Tensor const gain = aligned(affine.gain), offset = aligned(affine.offset);
  MapShape const shape = shape_of(in);
  at::Tensor const padded = at::empty({shape.rows + 2, shape.width, shape.channels}, in.options());
  NormaliseArguments arguments;
  arguments.x = in.data_ptr();
  arguments.bias = data_of(bias);
  arguments.mean = over_map.mean.data_ptr<float>();
  arguments.scale = over_map.scale.data_ptr<float>();
  arguments.gain = gain.data_ptr();
  arguments.offset = offset.data_ptr();
  arguments.groups = static_cast<int>(over_map.mean.size(0));
  arguments.curve = activation == Activation::silu ? Curve::silu : Curve::none;
  arguments.padded = padded.data_ptr();
  normalise(shape, arguments, current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return padded;
}

at::Tensor upsample_rows(at::Tensor const& x) {
  at::Tensor const in = aligned(x);
  MapShape const shape = shape_of(in);
  at::Tensor const padded =
      at::empty({shape.rows * 2 + 2, shape.width * 2, shape.channels}, in.options());
  upsample(shape, in.data_ptr(), padded.data_ptr(), current_stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return padded;
}

}  // namespace ditbatch::ops::cuda
