#include "ops/convolution.hpp"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

#include <array>

#include "ops/ops.hpp"

namespace ditbatch::ops {

namespace {

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

}  // namespace

at::Tensor convolve_3x3_with_halo(at::Tensor const& x, at::Tensor const& weight,
                                  at::Tensor const& bias) {
  constexpr std::array<std::int64_t, 2> padding{0, 1}, one{1, 1};
  if (x.is_cuda()) {
    return at::cudnn_convolution(x, weight, padding, one, one, 1, /*benchmark=*/false,
                                 /*deterministic=*/true, /*allow_tf32=*/false) +
           bias.view({1, -1, 1, 1});
  }
  if (needs_float32_on_cpu(x.scalar_type())) {
    return convolve_3x3_with_halo(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat))
        .to(x.scalar_type());
  }
  // Called directly: ATen's choice between this and other kernels depends on the shape, and so do
  // the bits.
  return at::mkldnn_convolution(x.contiguous(), weight, bias, padding, one, one, 1);
}

at::Tensor convolve_1x1(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
  at::Tensor const pixels = x.permute({0, 2, 3, 1}).contiguous();  // (1, h, W, C)
  return linear(pixels, weight.view({weight.size(0), weight.size(1)}), bias)
      .permute({0, 3, 1, 2})
      .contiguous();
}

}  // namespace ditbatch::ops
