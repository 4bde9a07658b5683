// Which cuBLASLt algorithm a product runs with: fast for its number of rows, with the bits of one
// canonical algorithm whatever that number is.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "ops/cuda/gemm.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr std::int64_t canonical_rows = 4608;  // FLUX.1 at 1024x1024 with 512 text tokens

// Operands of a shape.
struct Operands {
  at::Tensor x, weight, bias;  // (batch, m, k), (n, k), (n)
};

Operands drawn_operands(GemmShape const& shape) {
  auto const options = at::TensorOptions().dtype(shape.dtype).device(at::kCUDA);
  // Drawn apart from the default generator: how many shapes were tried must not change what others
  // draw from it.
  at::Device const device(at::kCUDA, c10::cuda::current_device());
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(1);
  return {at::empty({shape.batch, shape.m, shape.k}, options).normal_(0, 1, generator),
          at::empty({shape.n, shape.k}, options).normal_(0, 0.02, generator),
          at::empty({shape.n}, options).normal_(0, 1, generator)};
}

// Every product is zero, and what comes out is the rounding error of the order in which it was
// summed: another order shows in nearly every element, where in an ordinary product the rounding to
// 16 bits hides it from most.
Operands cancelling_operands(GemmShape const& shape) {
  Operands operands = drawn_operands(shape);
  std::int64_t const half = shape.k / 2;
  operands.x.narrow(2, half, half).copy_(operands.x.narrow(2, 0, half).neg());
  operands.weight.narrow(1, half, half).copy_(operands.weight.narrow(1, 0, half));
  operands.bias.zero_();
  return operands;
}

at::Tensor product(GemmShape const& shape, Operands const& operands,
                   cublasLtMatmulAlgo_t const& algorithm) {
  at::Tensor const out = at::empty({shape.batch, shape.m, shape.n}, operands.x.options());
  void const* bias = shape.bias == GemmShape::Bias::present ? operands.bias.data_ptr() : nullptr;
  run_gemm(shape, contiguous_strides(shape),
           {operands.x.data_ptr(), operands.weight.data_ptr(), bias, out.data_ptr()}, algorithm);
  return out;
}

// Operands, and what the canonical algorithm makes of them in one long product.
struct Trial {
  Operands operands;
  at::Tensor expected;
};

std::array<Trial, 2> make_trials(GemmShape const& shape, cublasLtMatmulAlgo_t const& canonical) {
  GemmShape one = shape;
  one.m *= one.batch;
  one.batch = 1;
  auto const trial = [&](Operands const& operands) {
    return Trial{operands, product(one, operands, canonical).view({shape.batch, shape.m, shape.n})};
  };
  return {trial(drawn_operands(shape)), trial(cancelling_operands(shape))};
}

cublasLtMatmulAlgo_t canonical_algorithm(GemmShape shape) {
  shape.batch = 1;
  shape.m = canonical_rows;
  shape.alignment_bytes = 256;
  auto const proposed = proposed_algorithms(shape, contiguous_strides(shape));
  require(!proposed.empty(), ExitCode::unhealthy,
          "cuBLASLt offers no algorithm without split-K for K " + std::to_string(shape.k) + ", N " +
              std::to_string(shape.n) +
              " (a row's bits would depend on the layout) try another CUDA version");
  return proposed.front();
}

std::unique_ptr<cublasLtMatmulAlgo_t> choose(GemmShape const& shape) {
  cublasLtMatmulAlgo_t const canonical = canonical_algorithm(shape);
  std::array<Trial, 2> const trials = make_trials(shape, canonical);
  for (cublasLtMatmulAlgo_t const& proposed :
       proposed_algorithms(shape, contiguous_strides(shape))) {
    auto const agrees = [&](Trial const& trial) {
      return at::equal(product(shape, trial.operands, proposed), trial.expected);
    };
    if (std::all_of(trials.begin(), trials.end(), agrees))
      return std::make_unique<cublasLtMatmulAlgo_t>(proposed);
  }
  bool const is_plain = shape.batch == 1 && shape.alignment_bytes == 256;
  return is_plain ? std::make_unique<cublasLtMatmulAlgo_t>(canonical) : nullptr;
}

}  // namespace

cublasLtMatmulAlgo_t const* algorithm_for(GemmShape const& shape) {
  // Chosen once a process: what is cached is a pure function of its key.
  static std::mutex mutex;
  static std::map<std::pair<int, GemmShape>, std::unique_ptr<cublasLtMatmulAlgo_t>> cache;
  std::scoped_lock const lock(mutex);
  std::pair<int, GemmShape> const key{c10::cuda::current_device(), shape};
  auto const found = cache.find(key);
  if (found != cache.end()) return found->second.get();
  return cache.emplace(key, choose(shape)).first->second.get();
}

}  // namespace ditbatch::ops::cuda
