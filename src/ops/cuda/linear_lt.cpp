// Linear layers whose rows do not depend on the number of rows in the call.
#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.hpp"
#include "ops/cuda/cuda_ops.hpp"
#include "ops/cuda/gemm.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr std::int64_t least_rows = 64;  // short calls are padded

// (B, M, K) as one product of B * M rows where its rows lie evenly.
bool rows_lie_evenly(at::Tensor const& x) {
  return x.size(0) == 1 || x.stride(0) == x.size(1) * x.stride(1);
}

// The largest power of two that divides the address, at most 256.
int alignment_of(at::Tensor const& x) {
  auto const bits = reinterpret_cast<std::uintptr_t>(x.data_ptr()) | std::uintptr_t{256};
  return static_cast<int>(bits & (~bits + 1));
}

// Rows one after another, or far enough apart for 16-byte accesses.
bool rows_are_reachable(at::Tensor const& x) {
  constexpr std::int64_t step_bytes = 16;
  return x.is_contiguous() || (x.stride(1) * x.element_size() % step_bytes == 0 &&
                               x.stride(0) * x.element_size() % step_bytes == 0);
}

bool is_gelu_fused(at::ScalarType dtype) { return dtype != at::kFloat; }

at::Tensor padded_rows(at::Tensor const& x) {
  at::Tensor const padded = at::zeros({1, least_rows, x.size(2)}, x.options());
  padded.narrow(1, 0, x.size(0) * x.size(1)).copy_(x.reshape({1, -1, x.size(2)}));
  return padded;
}

}  // namespace

void linear_into(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                 at::Tensor const& out, Epilogue epilogue) {
  ensure(x.dim() == 3 && out.dim() == 3 && x.stride(2) == 1 && out.stride(2) == 1,
         "linear_into takes rows of neighbouring channels");
  std::int64_t const rows = x.size(0) * x.size(1);
  if (rows == 0) return;
  if (rows < least_rows) {
    at::Tensor const padded = at::empty({1, least_rows, out.size(2)}, out.options());
    cuda::linear_into(padded_rows(x), weight, bias, padded, epilogue);
    out.copy_(padded.narrow(1, 0, rows).view(out.sizes()));
    return;
  }
  if (epilogue == Epilogue::gelu_tanh && !is_gelu_fused(x.scalar_type())) {
    cuda::linear_into(x, weight, bias, out, Epilogue::none);
    out.copy_(gelu_tanh(out));
    return;
  }
  bool const evenly = rows_lie_evenly(x) && rows_lie_evenly(out);
  GemmShape shape;
  shape.batch = evenly ? 1 : x.size(0);
  shape.m = evenly ? rows : x.size(1);
  shape.n = weight.size(0);
  shape.k = weight.size(1);
  shape.dtype = x.scalar_type();
  shape.bias = bias.defined() ? GemmShape::Bias::present : GemmShape::Bias::none;
  shape.epilogue = epilogue;
  shape.alignment_bytes = std::min({alignment_of(x), alignment_of(weight), alignment_of(out)});
  GemmStrides const strides{x.stride(1), x.stride(0), out.stride(1), out.stride(0)};
  bool const is_reachable = rows_are_reachable(x) && rows_are_reachable(out);
  cublasLtMatmulAlgo_t const* algorithm = is_reachable ? algorithm_for(shape) : nullptr;
  if (algorithm != nullptr) {
    run_gemm(shape, strides,
             {x.data_ptr(), weight.data_ptr(), bias.defined() ? bias.data_ptr() : nullptr,
              out.data_ptr()},
             *algorithm);
    return;
  }
  // No algorithm takes this alignment or batch with the canonical bits: through buffers of its own.
  at::Tensor const product = at::empty({1, rows, shape.n}, out.options());
  cuda::linear_into(x.reshape({1, rows, shape.k}).clone(), weight.clone(), bias, product, epilogue);
  out.copy_(product.view(out.sizes()));
}

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  at::Tensor const out = at::empty(shape, x.options());
  if (x.numel() == 0) return out;
  cuda::linear_into(x.contiguous().view({1, -1, weight.size(1)}), weight, bias,
                    out.view({1, -1, weight.size(0)}), Epilogue::none);
  return out;
}

}  // namespace ditbatch::ops::cuda
