#include <ATen/ATen.h>

#include "ops/ops.hpp"

namespace ditbatch::ops {

at::Tensor apply_rotary(at::Tensor const& x, at::Tensor const& cos, at::Tensor const& sin) {
  std::vector<std::int64_t> pairs = x.sizes().vec();  // (B, S, H, D) -> (B, S, H, D/2, 2)
  pairs.back() /= 2;
  pairs.push_back(2);
  at::Tensor const wide = x.to(at::kFloat);
  at::Tensor const split = wide.reshape(pairs);
  // (a, b) -> (-b, a)
  at::Tensor const turned =
      at::stack({split.select(-1, 1).neg(), split.select(-1, 0)}, -1).reshape(x.sizes());
  at::Tensor const c = cos.unsqueeze(0).unsqueeze(2);  // (1, S, 1, D)
  at::Tensor const s = sin.unsqueeze(0).unsqueeze(2);
  return (wide * c + turned * s).to(x.scalar_type());
}

}  // namespace ditbatch::ops
