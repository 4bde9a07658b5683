#include "ops/convolution.hpp"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <array>

namespace ditbatch::ops {

namespace {

constexpr std::array<std::int64_t, 2> padding{0, 1}, one{1, 1};

bool processor_has(char const* feature) {
  auto const features = at::cpu::get_cpu_capabilities();
  auto const found = features.find(feature);
  return found != features.end() && found->second.isBool() && found->second.toBool();
}

// oneDNN convolves bfloat16 where the processor has AVX-512, and float16 on few.
bool needs_float32_on_cpu(c10::ScalarType dtype) {
  static bool const convolves_bf16 =
      processor_has("avx512_bw") && processor_has("avx512_vl") && processor_has("avx512_dq");
  return dtype == at::kHalf || (dtype == at::kBFloat16 && !convolves_bf16);
}

// (h, W, C) -> (1, C, h, W). The batch comes first, or its stride is not that of channels-last.
at::Tensor as_image(at::Tensor const& rows) { return rows.unsqueeze(0).permute({0, 3, 1, 2}); }

at::Tensor convolve_on_cpu(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
  if (needs_float32_on_cpu(x.scalar_type())) {
    return convolve_on_cpu(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat))
        .to(x.scalar_type());
  }
  // Called directly: ATen's choice between this and other kernels depends on the shape, and so do
  // the bits.
  return at::mkldnn_convolution(x.contiguous(), weight, bias, padding, one, one, 1);
}

// cuDNN chooses its kernel by the pointers' alignment too, up to 32 bytes. Where rows are no
// multiple of that, a tile's alignment would depend on the tiles above it on this rank.
bool keeps_alignment(at::Tensor const& rows) {
  constexpr std::size_t most_alignment = 32;
  return static_cast<std::size_t>(rows.size(1) * rows.size(2)) * rows.element_size() %
             most_alignment ==
         0;
}

void convolve_on_gpu(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& to) {
  at::Tensor const in = keeps_alignment(x) ? x : x.clone();
  at::Tensor const out = keeps_alignment(to) ? to : at::empty_like(to);
  at::Tensor image = as_image(out);
  at::cudnn_convolution_out(image, as_image(in), weight, padding, one, one, 1, /*benchmark=*/false,
                            /*deterministic=*/true, /*allow_tf32=*/false);
  if (!out.is_same(to)) to.copy_(out);
}

}  // namespace

at::Tensor convolution_weight(at::Tensor const& weight) {
  if (!weight.is_cuda()) return weight;
  bool const half = weight.scalar_type() != at::kFloat;
  std::int64_t const missing = half ? (8 - weight.size(0) % 8) % 8 : 0;
  at::Tensor const full =
      missing == 0 ? weight : at::constant_pad_nd(weight, {0, 0, 0, 0, 0, 0, 0, missing});
  return full.contiguous(at::MemoryFormat::ChannelsLast);
}

BiasedRows convolve_3x3(at::Tensor const& padded, TileRows const& tile_rows,
                        at::Tensor const& weight, at::Tensor const& bias) {
  at::Tensor const rows =
      empty_rows(padded.size(0) - 2, padded.size(1), weight.size(0), padded.options());
  std::int64_t begin = 0;
  for (std::int64_t const height : tile_rows) {
    at::Tensor const from = padded.narrow(0, begin, height + 2);
    at::Tensor const to = rows.narrow(0, begin, height);
    begin += height;
    if (padded.is_cuda()) {
      convolve_on_gpu(from, weight, to);
    } else {
      as_image(to).copy_(convolve_on_cpu(as_image(from), weight, bias));
    }
  }
  if (!padded.is_cuda()) return {rows, {}};
  return {rows.narrow(2, 0, bias.size(0)), bias};
}

at::Tensor convolve_1x1(at::Tensor const& rows, TileRows const& tile_rows, Linear const& linear) {
  if (rows.is_cuda()) return linear(rows);
  at::Tensor const result =
      empty_rows(rows.size(0), rows.size(1), linear.weight.size(0), rows.options());
  std::int64_t begin = 0;
  for (std::int64_t const height : tile_rows) {
    result.narrow(0, begin, height).copy_(linear(rows.narrow(0, begin, height).contiguous()));
    begin += height;
  }
  return result;
}

}  // namespace ditbatch::ops
