#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.hpp"
#include "ops/ops.hpp"
#if DITBATCH_CUDA
#include "ops/cuda/cuda_ops.hpp"
#endif

namespace ditbatch::ops {

namespace {

// float32: below 8 rows MKL takes a matrix-vector path with other bits; above, a row does not
// depend on the rest.
constexpr std::int64_t least_rows = 16;
// bfloat16 and float16: oneDNN splits K by the number of rows where K is long, so every call has
// one shape.
constexpr std::int64_t block_rows = 32;

// (rows, K) -> (rows, N) through a call with `padded` rows
at::Tensor linear_padded(at::Tensor const& rows, std::int64_t padded, at::Tensor const& weight,
                         at::Tensor const& bias) {
  std::int64_t const count = rows.size(0);
  if (count == padded) return at::linear(rows, weight, bias);
  at::Tensor const full = at::zeros({padded, rows.size(1)}, rows.options());
  full.narrow(0, 0, count).copy_(rows);
  return at::linear(full, weight, bias).narrow(0, 0, count);
}

at::Tensor linear_in_blocks(at::Tensor const& rows, at::Tensor const& weight,
                            at::Tensor const& bias) {
  std::int64_t const count = rows.size(0);
  at::Tensor const out = at::empty({count, weight.size(0)}, rows.options());
  for (std::int64_t begin = 0; begin < count; begin += block_rows) {
    std::int64_t const size = std::min(block_rows, count - begin);
    out.narrow(0, begin, size)
        .copy_(linear_padded(rows.narrow(0, begin, size), block_rows, weight, bias));
  }
  return out;
}

}  // namespace

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
#if DITBATCH_CUDA
  if (x.is_cuda()) return cuda::linear(x, weight, bias);
#endif
  at::Tensor const rows = x.reshape({-1, x.size(-1)});  // (M, K)
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  if (rows.size(0) == 0) return at::empty(shape, x.options());
  if (x.scalar_type() != at::kFloat) return linear_in_blocks(rows, weight, bias).reshape(shape);
  return linear_padded(rows, std::max(rows.size(0), least_rows), weight, bias).reshape(shape);
}

void linear_into(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                 at::Tensor const& out, Epilogue epilogue) {
#if DITBATCH_CUDA
  if (x.is_cuda()) return cuda::linear_into(x, weight, bias, out, epilogue);
#endif
  at::Tensor const product = linear(x, weight, bias);
  out.copy_(epilogue == Epilogue::gelu_tanh ? gelu_tanh(product) : product);
}

Linear join(std::vector<Linear> const& layers) {
  std::vector<at::Tensor> weights, biases;
  for (Linear const& layer : layers) {
    weights.push_back(layer.weight);
    if (layer.bias.defined()) biases.push_back(layer.bias);
  }
  ensure(biases.empty() || biases.size() == layers.size(), "all joined layers have a bias or none");
  return {at::cat(weights), biases.empty() ? at::Tensor() : at::cat(biases)};
}

Linear take_linear(WeightSource& source, std::string const& name, std::int64_t in, std::int64_t out,
                   Bias bias) {
  Linear taken;
  taken.weight = source.take({name + ".weight", {out, in}});
  if (bias == Bias::present) taken.bias = source.take({name + ".bias", {out}});
  return taken;
}

}  // namespace ditbatch::ops
