#include <ATen/ATen.h>

#include <vector>

#include "ops/ops.hpp"
#if DITBATCH_CUDA
#include "ops/cuda/cuda_ops.hpp"
#endif

namespace ditbatch::ops {

namespace {

// The CPU kernel chooses its blocks and its packing by the number of queries. Every call hands it
// blocks of this many queries, as a batch, so that a query's bits do not depend on how many come
// with it.
constexpr std::int64_t query_block = 32;

// Of one image: q (1, Sq, H, D)
at::Tensor attention_in_blocks(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
  std::int64_t const queries = q.size(1);
  std::int64_t const blocks = (queries + query_block - 1) / query_block;
  std::int64_t const heads = q.size(2);
  std::int64_t const head_size = q.size(3);
  at::Tensor const full = at::constant_pad_nd(q, {0, 0, 0, 0, 0, blocks * query_block - queries});
  // (blocks, H, 32, D) against the same keys and values (blocks, H, Sk, D), which are not copied
  at::Tensor const out = at::scaled_dot_product_attention(
      full.reshape({blocks, query_block, heads, head_size}).transpose(1, 2),
      k.expand({blocks, -1, -1, -1}).transpose(1, 2),
      v.expand({blocks, -1, -1, -1}).transpose(1, 2));
  return out.transpose(1, 2)
      .reshape({1, blocks * query_block, heads, head_size})
      .narrow(1, 0, queries);
}

}  // namespace

at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
  if (q.size(1) == 0) return at::empty(q.sizes(), q.options());
#if DITBATCH_CUDA
  if (q.is_cuda()) return cuda::attention(q, k, v);
#endif
  std::vector<at::Tensor> images;
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    images.push_back(attention_in_blocks(q.narrow(0, i, 1), k.narrow(0, i, 1), v.narrow(0, i, 1)));
  }
  return images.size() == 1 ? images.front() : at::cat(images);
}

}  // namespace ditbatch::ops
