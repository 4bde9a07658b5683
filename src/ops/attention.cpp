#include <ATen/ATen.h>

#include "ops/ops.hpp"
#ifdef DITBATCH_CUDA
#include "ops/cuda/cuda_ops.hpp"
#endif

namespace ditbatch::ops {

namespace {

// The CPU kernel works on blocks of queries; a block that is not full takes another path. With full
// blocks in every call, the call of one rank too, a query's bits do not depend on its neighbours.
constexpr std::int64_t query_block = 32;

}  // namespace

at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
  std::int64_t const queries = q.size(1);
  if (queries == 0) return at::empty_like(q);
#ifdef DITBATCH_CUDA
  if (q.is_cuda()) return cuda::attention(q, k, v);
#endif
  std::int64_t const padded = (queries + query_block - 1) / query_block * query_block;
  at::Tensor const full = at::constant_pad_nd(q, {0, 0, 0, 0, 0, padded - queries});  // (B, P, H, D)
  return at::scaled_dot_product_attention(full.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
      .transpose(1, 2)
      .narrow(1, 0, queries);
}

}  // namespace ditbatch::ops
