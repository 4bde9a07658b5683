#include "bench/step_floor.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "comm/device.hpp"
#include "core/trace.hpp"
#include "ops/ops.hpp"
#if DITBATCH_CUDA
#include "bench/step_graph.hpp"
#endif

namespace ditbatch {

namespace {

using Shape = std::vector<std::int64_t>;

double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(now_ns() - begin_ns) * 1e-9;
}

}  // namespace

StepFloor::StepFloor(std::vector<StepCall> calls, c10::ScalarType dtype, c10::Device device)
    : calls_(std::move(calls)), device_(device) {
  auto const options = at::TensorOptions().dtype(dtype).device(device);
  // Calls of one shape read the same rows; what a block reads was just written, too.
  std::map<std::tuple<int, Shape>, at::Tensor> inputs;
  auto const input = [&](int place, Shape const& shape) {
    at::Tensor& made = inputs[{place, shape}];
    if (!made.defined()) made = at::randn(shape, options);
    return made;
  };
  for (StepCall const& call : calls_) {
    Operands operands;
    if (auto const* gemm = std::get_if<GemmCall>(&call)) {
      operands.x = input(0, {gemm->rows, gemm->in});
      operands.weight =
          at::randn({gemm->out, gemm->in}, options) / std::sqrt(static_cast<double>(gemm->in));
      operands.bias = at::randn({gemm->out}, options);
    } else {
      auto const& attention = std::get<AttentionCall>(call);
      operands.q =
          input(0, {attention.images, attention.queries, attention.heads, attention.head_size});
      operands.k =
          input(1, {attention.images, attention.keys, attention.heads, attention.head_size});
      operands.v =
          input(2, {attention.images, attention.keys, attention.heads, attention.head_size});
    }
    operands_.push_back(std::move(operands));
  }
#if DITBATCH_CUDA
  if (device_.is_cuda()) graph_ = std::make_unique<StepGraph>([this] { call_all(); });
#endif
}

StepFloor::~StepFloor() = default;

void StepFloor::call_all() const {
  for (Operands const& each : operands_) {
    if (each.weight.defined()) {
      (void)ops::linear(each.x, each.weight, each.bias);
    } else {
      (void)ops::attention(each.q, each.k, each.v);
    }
  }
}

void StepFloor::run(std::int64_t evaluations) {
  for (std::int64_t i = 0; i < evaluations; ++i) {
#if DITBATCH_CUDA
    if (graph_) {
      graph_->replay();
      continue;
    }
#endif
    call_all();
  }
  synchronize(device_);
}

namespace {

constexpr int least_repetitions = 2;
constexpr double enough_s = 20;

}  // namespace

std::vector<double> measure_floor(StepFloor& floor, std::int64_t evaluations, double warm_up_s,
                                  int repetitions) {
  std::int64_t const warm_up_begin_ns = now_ns();
  do {
    floor.run(evaluations);
  } while (seconds_since(warm_up_begin_ns) < warm_up_s);
  // The floor of a large image repeats to a part in a thousand: a minute of it tells no more.
  std::vector<double> seconds;
  std::int64_t const first_begin_ns = now_ns();
  for (int i = 0; i < repetitions; ++i) {
    if (i >= least_repetitions && seconds_since(first_begin_ns) > enough_s) break;
    std::int64_t const begin_ns = now_ns();
    floor.run(evaluations);
    seconds.push_back(seconds_since(begin_ns));
  }
  return seconds;
}

}  // namespace ditbatch
