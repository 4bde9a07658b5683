// Which cuBLASLt algorithm a product runs with: a fast one for its number of rows, with the bits of
// one canonical algorithm whatever that number is.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "ops/cuda/gemm.hpp"
#include "ops/cuda/gemm_candidates.hpp"
#include "ops/cuda/gemm_timing.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr std::int64_t canonical_rows = 4608;  // FLUX.1 at 1024x1024 with 512 text tokens
// From so many rows on the heuristic knows best: no other candidate was faster.
constexpr std::int64_t long_rows = 4096;

GemmTensors drawn_operands(GemmShape const& shape) {
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
GemmTensors cancelling_operands(GemmShape const& shape) {
  GemmTensors operands = drawn_operands(shape);
  std::int64_t const half = shape.k / 2;
  operands.x.narrow(2, half, half).copy_(operands.x.narrow(2, 0, half).neg());
  operands.weight.narrow(1, half, half).copy_(operands.weight.narrow(1, 0, half));
  operands.bias.zero_();
  return operands;
}

// Undefined where cuBLASLt refuses the algorithm.
at::Tensor product(GemmShape const& shape, GemmTensors const& operands,
                   cublasLtMatmulAlgo_t const& algorithm) {
  at::Tensor const out = at::empty({shape.batch, shape.m, shape.n}, operands.x.options());
  void const* bias = shape.bias == GemmShape::Bias::present ? operands.bias.data_ptr() : nullptr;
  bool const is_made = try_gemm(
      shape, contiguous_strides(shape),
      {operands.x.data_ptr(), operands.weight.data_ptr(), bias, out.data_ptr()}, algorithm);
  return is_made ? out : at::Tensor();
}

// Operands, and what the canonical algorithm makes of them in one long product.
struct Trial {
  GemmTensors operands;
  at::Tensor expected;
};

std::array<Trial, 2> make_trials(GemmShape const& shape, cublasLtMatmulAlgo_t const& canonical) {
  GemmShape one = shape;
  one.m *= one.batch;
  one.batch = 1;
  auto const trial = [&](GemmTensors const& operands) {
    at::Tensor const expected = product(one, operands, canonical);
    require(expected.defined(), ExitCode::unhealthy,
            "cuBLASLt refuses its own algorithm for " + std::to_string(one.m) + " rows of K " +
                std::to_string(one.k) + ", N " + std::to_string(one.n) +
                " (a row's bits would depend on the layout) try another CUDA version");
    return Trial{operands, expected.view({shape.batch, shape.m, shape.n})};
  };
  // The stricter one first: it refuses most of those that are to be refused.
  return {trial(cancelling_operands(shape)), trial(drawn_operands(shape))};
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
  auto const agrees = [&](cublasLtMatmulAlgo_t const& candidate) {
    return std::all_of(trials.begin(), trials.end(), [&](Trial const& trial) {
      at::Tensor const made = product(shape, trial.operands, candidate);
      return made.defined() && at::equal(made, trial.expected);
    });
  };
  if (shape.batch * shape.m >= long_rows) {
    auto const proposed = proposed_algorithms(shape, contiguous_strides(shape));
    auto const first = std::find_if(proposed.begin(), proposed.end(), agrees);
    if (first != proposed.end()) return std::make_unique<cublasLtMatmulAlgo_t>(*first);
  } else {
    auto candidates = candidate_algorithms(shape, canonical);
    std::erase_if(candidates, std::not_fn(agrees));
    if (!candidates.empty()) {
      return std::make_unique<cublasLtMatmulAlgo_t>(
          fastest_algorithm(shape, trials.back().operands, candidates));
    }
  }
  bool const is_plain = shape.batch == 1 && shape.alignment_bytes == 256;
  return is_plain ? std::make_unique<cublasLtMatmulAlgo_t>(canonical) : nullptr;
}

}  // namespace

cublasLtMatmulAlgo_t const* algorithm_for(GemmShape const& shape) {
  // Chosen once a process. What is cached makes the same bits in every process, though ranks may
  // have measured differently and chosen different algorithms.
  static std::mutex mutex;
  static std::map<std::pair<int, GemmShape>, std::unique_ptr<cublasLtMatmulAlgo_t>> cache;
  std::scoped_lock const lock(mutex);
  std::pair<int, GemmShape> const key{c10::cuda::current_device(), shape};
  auto const found = cache.find(key);
  if (found != cache.end()) return found->second.get();
  return cache.emplace(key, choose(shape)).first->second.get();
}

}  // namespace ditbatch::ops::cuda
