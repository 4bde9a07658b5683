#include "ops/graphed_call.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.hpp"
#ifdef DITBATCH_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace ditbatch::ops {

#ifdef DITBATCH_CUDA

// The allocator keeps a pool while a graph that was captured into it lives.
class GraphPool {
 public:
  [[nodiscard]] at::cuda::MempoolId_t id() const {
    auto const graph = last_.lock();
    return graph ? graph->pool() : at::cuda::graph_pool_handle();
  }
  void remember(std::shared_ptr<at::cuda::CUDAGraph> const& graph) { last_ = graph; }

 private:
  std::weak_ptr<at::cuda::CUDAGraph> last_;
};

struct GraphedCall::Captured {
  std::vector<at::Tensor> inputs, outputs;
  std::shared_ptr<at::cuda::CUDAGraph> graph = std::make_shared<at::cuda::CUDAGraph>();

  Captured(Function const& function, std::vector<at::Tensor> const& like, GraphPool& pool) {
    for (at::Tensor const& input : like)
      inputs.push_back(at::empty(input.sizes(), input.options()));
    c10::cuda::getCurrentCUDAStream().synchronize();
    c10::cuda::CUDAStreamGuard const on_stream(c10::cuda::getStreamFromPool());
    // Other threads (the writer's, the watchdog's) may use CUDA meanwhile.
    graph->capture_begin(pool.id(), cudaStreamCaptureModeThreadLocal);
    outputs = function(inputs);
    graph->capture_end();
    pool.remember(graph);
  }

  std::vector<at::Tensor> replay(std::vector<at::Tensor> const& from) {
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].copy_(from[i]);
    graph->replay();
    std::vector<at::Tensor> results;
    for (at::Tensor const& output : outputs) results.push_back(output.clone());
    return results;
  }
};

#else

class GraphPool {};
struct GraphedCall::Captured {};

#endif

std::shared_ptr<GraphPool> make_graph_pool() { return std::make_shared<GraphPool>(); }

GraphedCall::GraphedCall(Function function, CudaGraphs graphs, std::shared_ptr<GraphPool> pool)
    : function_(std::move(function)), graphs_(graphs), pool_(std::move(pool)) {}
GraphedCall::GraphedCall(GraphedCall&&) noexcept = default;
GraphedCall& GraphedCall::operator=(GraphedCall&&) noexcept = default;
GraphedCall::~GraphedCall() = default;

std::vector<at::Tensor> GraphedCall::operator()(std::vector<at::Tensor> const& inputs) {
#ifdef DITBATCH_CUDA
  ensure(!inputs.empty(), "a graph has inputs");
  if (graphs_ == CudaGraphs::on && inputs.front().is_cuda() && std::exchange(has_run_, true)) {
    if (!captured_) captured_ = std::make_unique<Captured>(function_, inputs, *pool_);
    return captured_->replay(inputs);
  }
#endif
  return function_(inputs);
}

}  // namespace ditbatch::ops
