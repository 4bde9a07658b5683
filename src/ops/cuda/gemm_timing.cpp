// How long a product takes with each of several algorithms: all of them twice, the best few again.
#include "ops/cuda/gemm_timing.hpp"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/Sleep.h>

#include <algorithm>
#include <limits>

namespace ditbatch::ops::cuda {

namespace {

constexpr double least_gain = 0.03;  // of the time; less is noise, or lost at the power limit
constexpr std::size_t most_finalists = 4;
constexpr int rough_calls = 2;
constexpr int final_rounds = 2;
constexpr double round_us = 500;
constexpr std::int64_t rotated_bytes = std::int64_t{128} << 20U;  // more than an L2 cache holds
constexpr std::int64_t launch_cycles = 25'000;  // of the GPU, more than the host needs for a call

// Calls a product over and over, each time with another copy of the weight: in a model no layer
// finds its weight in the cache, but often finds its input there.
class ProductTimer {
 public:
  ProductTimer(GemmShape const& shape, GemmTensors const& operands)
      : shape_(shape),
        operands_(operands),
        out_(at::empty({shape.batch, shape.m, shape.n}, operands.x.options())) {
    auto const weight_bytes = static_cast<std::int64_t>(operands.weight.nbytes());
    std::int64_t const copies = std::clamp<std::int64_t>(rotated_bytes / weight_bytes + 1, 2, 16);
    weights_.push_back(operands.weight);
    while (static_cast<std::int64_t>(weights_.size()) < copies)
      weights_.push_back(operands.weight.clone());
  }

  double us_per_call(cublasLtMatmulAlgo_t const& algorithm, int calls) {
    at::cuda::CUDAEvent begin(cudaEventDefault), end(cudaEventDefault);
    // Meanwhile the host queues the calls: it must not be what is timed.
    at::cuda::sleep(calls * launch_cycles);
    begin.record();
    for (int i = 0; i < calls; ++i) call(algorithm);
    end.record();
    end.synchronize();
    return 1000.0 * static_cast<double>(begin.elapsed_time(end)) / calls;
  }

 private:
  void call(cublasLtMatmulAlgo_t const& algorithm) {
    at::Tensor const& weight = weights_[next_++ % weights_.size()];
    void const* bias =
        shape_.bias == GemmShape::Bias::present ? operands_.bias.data_ptr() : nullptr;
    run_gemm(shape_, contiguous_strides(shape_),
             {operands_.x.data_ptr(), weight.data_ptr(), bias, out_.data_ptr()}, algorithm);
  }

  GemmShape shape_;
  GemmTensors operands_;
  at::Tensor out_;
  std::vector<at::Tensor> weights_;
  std::size_t next_ = 0;
};

struct Timed {
  cublasLtMatmulAlgo_t algorithm;
  double us = std::numeric_limits<double>::infinity();
};

bool is_faster(Timed const& a, Timed const& b) { return a.us < b.us; }

}  // namespace

cublasLtMatmulAlgo_t fastest_algorithm(GemmShape const& shape, GemmTensors const& operands,
                                       std::vector<cublasLtMatmulAlgo_t> const& algorithms) {
  if (algorithms.size() == 1) return algorithms.front();
  ProductTimer timer(shape, operands);
  std::vector<Timed> timed;
  for (cublasLtMatmulAlgo_t const& algorithm : algorithms)
    timed.push_back({algorithm, timer.us_per_call(algorithm, rough_calls)});
  // The first one is in the final whatever it took.
  std::sort(timed.begin() + 1, timed.end(), is_faster);
  timed.resize(std::min(timed.size(), 1 + most_finalists));
  double const rough_us =
      std::max(1.0, std::min_element(timed.begin(), timed.end(), is_faster)->us);
  int const calls = static_cast<int>(std::clamp(round_us / rough_us, 2.0, 6.0));
  for (Timed& finalist : timed) finalist.us = std::numeric_limits<double>::infinity();
  for (int round = 0; round < final_rounds; ++round) {
    for (Timed& finalist : timed)
      finalist.us = std::min(finalist.us, timer.us_per_call(finalist.algorithm, calls));
  }
  Timed const& best = *std::min_element(timed.begin(), timed.end(), is_faster);
  bool const is_clear = best.us < (1 - least_gain) * timed.front().us;
  return is_clear ? best.algorithm : timed.front().algorithm;
}

}  // namespace ditbatch::ops::cuda
