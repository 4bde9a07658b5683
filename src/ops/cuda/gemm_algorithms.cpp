// Which cuBLASLt algorithm a product runs with: fast for its number of rows, with the bits of one
// canonical algorithm whatever that number is.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>

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

// Products of a shape with random operands, one algorithm against another.
class Trial {
 public:
  explicit Trial(GemmShape const& shape) : shape_(shape) {
    auto const options = at::TensorOptions().dtype(shape.dtype).device(at::kCUDA);
    // Drawn apart from the default generator: how many shapes were tried must not change what
    // others draw from it.
    at::Device const device(at::kCUDA, c10::cuda::current_device());
    at::Generator generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(1);
    x_ = at::empty({shape.batch, shape.m, shape.k}, options).normal_(0, 1, generator);
    weight_ = at::empty({shape.n, shape.k}, options).normal_(0, 0.02, generator);
    bias_ = at::empty({shape.n}, options).normal_(0, 1, generator);
  }

  [[nodiscard]] at::Tensor product(cublasLtMatmulAlgo_t const& algorithm) const {
    at::Tensor const out = at::empty({shape_.batch, shape_.m, shape_.n}, x_.options());
    run_gemm(shape_, contiguous_strides(shape_),
             {x_.data_ptr(), weight_.data_ptr(),
              shape_.bias == GemmShape::Bias::present ? bias_.data_ptr() : nullptr, out.data_ptr()},
             algorithm);
    return out;
  }

  // The same numbers row by row through the canonical algorithm for one long product.
  [[nodiscard]] at::Tensor canonical_product(cublasLtMatmulAlgo_t const& algorithm) const {
    GemmShape one = shape_;
    one.m *= one.batch;
    one.batch = 1;
    at::Tensor const out = at::empty({shape_.batch, shape_.m, shape_.n}, x_.options());
    run_gemm(one, contiguous_strides(one),
             {x_.data_ptr(), weight_.data_ptr(),
              shape_.bias == GemmShape::Bias::present ? bias_.data_ptr() : nullptr, out.data_ptr()},
             algorithm);
    return out;
  }

 private:
  GemmShape shape_;
  at::Tensor x_, weight_, bias_;
};

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
  Trial const trial(shape);
  at::Tensor const expected = trial.canonical_product(canonical);
  for (cublasLtMatmulAlgo_t const& proposed :
       proposed_algorithms(shape, contiguous_strides(shape))) {
    if (at::equal(trial.product(proposed), expected))
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
