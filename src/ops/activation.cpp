#include <ATen/ATen.h>

#include "ops/ops.hpp"

namespace ditbatch::ops {

namespace {

// ATen's vector loops take the tail of a flat buffer through scalar code that rounds differently.
// With a length that is a multiple of every vector width there is no tail, so that an element's
// bits do not depend on where in the buffer it stands.
constexpr std::int64_t flat_multiple = 64;

template <class Function>
at::Tensor without_tail(at::Tensor const& x, Function const& function) {
  std::int64_t const count = x.numel();
  if (!x.is_cpu() || (count % flat_multiple == 0 && x.is_contiguous()))
    return function(x.contiguous());
  std::int64_t const padded = (count + flat_multiple - 1) / flat_multiple * flat_multiple;
  at::Tensor const flat = at::zeros({padded}, x.options());
  flat.narrow(0, 0, count).view(x.sizes()).copy_(x);
  return function(flat).narrow(0, 0, count).view(x.sizes());
}

}  // namespace

at::Tensor relu(at::Tensor const& x) { return at::relu(x); }

at::Tensor silu(at::Tensor const& x) {
  return without_tail(x, [](at::Tensor const& flat) { return at::silu(flat); });
}

at::Tensor gelu(at::Tensor const& x) {
  return without_tail(x, [](at::Tensor const& flat) { return at::gelu(flat); });
}

at::Tensor gelu_tanh(at::Tensor const& x) {
  return without_tail(x, [](at::Tensor const& flat) { return at::gelu(flat, "tanh"); });
}

at::Tensor quick_gelu(at::Tensor const& x) {
  return without_tail(x, [](at::Tensor const& flat) { return flat * at::sigmoid(1.702 * flat); });
}

}  // namespace ditbatch::ops
