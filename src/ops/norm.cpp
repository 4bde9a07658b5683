#include <ATen/ATen.h>

#include "ops/ops.hpp"

namespace ditbatch::ops {

at::Tensor layer_norm(at::Tensor const& x, double eps, at::Tensor const& weight,
                      at::Tensor const& bias) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

at::Tensor rms_norm(at::Tensor const& x, at::Tensor const& weight, double eps) {
  // On GPUs the fused kernel: a plain reduction chooses its blocks by the number of rows.
  if (x.is_cuda()) return at::rms_norm(x, {x.size(-1)}, weight, eps);
  // Each row's mean is taken over contiguous rows, so that it does not depend on the others.
  at::Tensor const wide = x.to(at::kFloat).contiguous();
  at::Tensor const scale = at::rsqrt(wide.square().mean({-1}, true) + eps);
  at::Tensor const normed = wide * scale;
  return weight.defined() ? (normed * weight.to(at::kFloat)).to(x.scalar_type())
                          : normed.to(x.scalar_type());
}

}  // namespace ditbatch::ops
