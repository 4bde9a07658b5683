#include <ATen/ATen.h>

#include <cmath>

#include "ops/cuda/cuda_ops.hpp"
#include "ops/cuda/token_ops.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr std::int64_t widest_cudnn_head = 128;
constexpr std::int64_t query_multiple =
    64;  // for a few queries cuDNN takes another kernel, with other bits

// (Sq, D), (Sk, D), (Sk, D) of one head -> (Sq, D), softmax in float32
at::Tensor attend(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v, double scale) {
  at::Tensor const scores = cuda::linear(q, k, {});  // (Sq, Sk)
  if (scores.size(1) % 8 == 0 && scores.is_contiguous()) {
    scaled_softmax(scores, scale);
    return cuda::linear(scores, v.t().contiguous(), {});
  }
  at::Tensor const weights = at::softmax(scores.to(at::kFloat) * scale, -1).to(q.scalar_type());
  return cuda::linear(weights, v.t().contiguous(), {});
}

// Plain softmax attention, a head at a time: every product goes through linear(), whose rows do not
// depend on the rest, so that neither the number of heads nor of queries changes bits.
at::Tensor attention_by_head(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
  double const scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  at::Tensor const out = at::empty(q.sizes(), q.options());
  for (std::int64_t image = 0; image < q.size(0); ++image) {
    for (std::int64_t head = 0; head < q.size(2); ++head) {
      auto const of = [image, head](at::Tensor const& x) {
        return x.select(0, image).select(1, head);  // (S, D)
      };
      of(out).copy_(attend(of(q).contiguous(), of(k).contiguous(), of(v), scale));
    }
  }
  return out;
}

}  // namespace

at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
  bool const half = q.scalar_type() == at::kBFloat16 || q.scalar_type() == at::kHalf;
  if (!half || q.size(3) > widest_cudnn_head || q.size(3) % 8 != 0)
    return attention_by_head(q, k, v);
  auto const by_head = [](at::Tensor const& x) {
    return x.transpose(1, 2);
  };  // (B, H, S, D), strided
  std::int64_t const queries = q.size(1);
  std::int64_t const padding = (query_multiple - queries % query_multiple) % query_multiple;
  at::Tensor const full = padding == 0 ? q : at::constant_pad_nd(q, {0, 0, 0, 0, 0, padding});
  at::Tensor const out = std::get<0>(
      at::_scaled_dot_product_cudnn_attention(by_head(full), by_head(k), by_head(v), std::nullopt,
                                              /*compute_log_sumexp=*/false));
  return out.transpose(1, 2).narrow(1, 0, queries);
}

}  // namespace ditbatch::ops::cuda
