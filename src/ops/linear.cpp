#include <ATen/ATen.h>

#include "ops/ops.hpp"
#ifdef DITBATCH_CUDA
#include "ops/cuda/cuda_ops.hpp"
#endif

namespace ditbatch::ops {

namespace {

// Below 8 rows MKL takes a matrix-vector path with other bits; above, a row does not depend on the rest.
constexpr std::int64_t least_rows = 16;

}  // namespace

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
#ifdef DITBATCH_CUDA
  if (x.is_cuda()) return cuda::linear(x, weight, bias);
#endif
  at::Tensor const rows = x.reshape({-1, x.size(-1)});  // (M, K)
  std::int64_t const count = rows.size(0);
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  if (count == 0) return at::empty(shape, x.options());
  if (count >= least_rows || x.is_meta()) return at::linear(rows, weight, bias).reshape(shape);
  at::Tensor const padded = at::zeros({least_rows, rows.size(1)}, rows.options());
  padded.narrow(0, 0, count).copy_(rows);
  return at::linear(padded, weight, bias).narrow(0, 0, count).reshape(shape);
}

Linear take_linear(WeightSource& source, std::string const& name, std::int64_t in, std::int64_t out,
                   Bias bias) {
  Linear taken;
  taken.weight = source.take({name + ".weight", {out, in}});
  if (bias == Bias::present) taken.bias = source.take({name + ".bias", {out}});
  return taken;
}

}  // namespace ditbatch::ops
