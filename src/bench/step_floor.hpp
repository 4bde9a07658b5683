#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "families/step_work.hpp"
#if DITBATCH_CUDA
#include "bench/step_graph.hpp"
#endif

namespace ditbatch {

/// The matrix products and attention calls of a step on one rank and nothing else: the floor that
/// an implementation of the model on this hardware cannot go below. The same calls as the model's
/// (ops::linear, ops::attention), each product with weights and bias of its own, all drawn at
/// random; on a GPU as one CUDA graph a step.
///
/// Not in it: the VAE decoder.
class StepFloor {
 public:
  StepFloor(std::vector<StepCall> calls, c10::ScalarType dtype, c10::Device device);
  StepFloor(StepFloor const&) = delete;
  StepFloor& operator=(StepFloor const&) = delete;
  ~StepFloor();

  /// So many evaluations back to back; waits for them.
  void run(std::int64_t evaluations);

 private:
  void call_all() const;

  struct Operands {
    at::Tensor x, weight, bias;  // of a GEMM: (rows, in), (out, in), (out)
    at::Tensor q, k, v;          // of an attention call: (B, S, H, D)
  };
  std::vector<StepCall> calls_;
  c10::Device device_;
  std::vector<Operands> operands_;  // one a call
#if DITBATCH_CUDA
  std::unique_ptr<StepGraph> graph_;  // on GPUs
#endif
};

/// Seconds of at most `repetitions` runs of `evaluations`, after runs for `warm_up_s`.
[[nodiscard]] std::vector<double> measure_floor(StepFloor& floor, std::int64_t evaluations,
                                                double warm_up_s, int repetitions);

}  // namespace ditbatch
