#include "ops/graphed_call.hpp"

#include <ATen/ATen.h>

#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"
#if DITBATCH_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "ops/cuda/memset_nodes.hpp"
#endif

namespace ditbatch::ops {

#if DITBATCH_CUDA

// The allocator keeps a pool while a graph that was captured into it lives.
class GraphPool {
 public:
  [[nodiscard]] at::cuda::MempoolId_t id() const {
    auto const graph = last_.lock();
    return graph ? graph->pool() : at::cuda::graph_pool_handle();
  }
  void remember(std::shared_ptr<at::cuda::CUDAGraph> const& graph) { last_ = graph; }
  // The allocator keeps the memory of each stream apart: all captures are on one.
  [[nodiscard]] c10::cuda::CUDAStream stream() {
    if (!stream_) stream_ = c10::cuda::getStreamFromPool();
    return *stream_;
  }

 private:
  std::weak_ptr<at::cuda::CUDAGraph> last_;
  std::optional<c10::cuda::CUDAStream> stream_;
};

struct GraphedCall::Captured {
  std::vector<at::Tensor> inputs, outputs;
  std::shared_ptr<at::cuda::CUDAGraph> graph;  // null before the second call

  explicit Captured(std::vector<at::Tensor> const& like) {
    for (at::Tensor const& input : like)
      inputs.push_back(at::empty(input.sizes(), input.options()));
  }

  void take(std::vector<at::Tensor> const& from) {
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].copy_(from[i]);
  }

  void capture(Function const& function, GraphPool& pool) {
    c10::cuda::getCurrentCUDAStream().synchronize();
    c10::cuda::CUDAStreamGuard const on_stream(pool.stream());
    auto made = std::make_shared<at::cuda::CUDAGraph>(/*keep_graph=*/true);
    // Other threads (the writer's, the watchdog's) may use CUDA meanwhile.
    made->capture_begin(pool.id(), cudaStreamCaptureModeThreadLocal);
    try {
      outputs = function(inputs);
    } catch (...) {
      abandon(*made);
      throw;
    }
    made->capture_end();
    cuda::make_memsets_kernels(made->raw_cuda_graph());
    made->instantiate();
    pool.remember(made);
    graph = std::move(made);
  }

  std::vector<at::Tensor> replay() {
    graph->replay();
    std::vector<at::Tensor> results;
    for (at::Tensor const& output : outputs) results.push_back(output.clone());
    return results;
  }

 private:
  // Ends a capture that cannot be finished, so that the stream and the allocator are themselves
  // again.
  static void abandon(at::cuda::CUDAGraph& graph) noexcept {
    try {
      graph.capture_end();
    } catch (std::exception const&) {  // that it is no graph is known already
    }
    (void)cudaGetLastError();
  }
};

namespace {

// A c10::Error has a backtrace below.
std::string first_line_of(std::exception const& error) {
  std::string const text = error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

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
#if DITBATCH_CUDA
  ensure(!inputs.empty(), "a graph has inputs");
  if (graphs_ == CudaGraphs::off || !inputs.front().is_cuda()) return function_(inputs);
  // The eager call reads the graph's own inputs: an algorithm that is chosen by how an address is
  // aligned has to be chosen before the capture.
  bool const is_first = captured_ == nullptr;
  if (is_first) captured_ = std::make_unique<Captured>(inputs);
  captured_->take(inputs);
  if (is_first) {
    try {
      return function_(captured_->inputs);
    } catch (...) {
      captured_.reset();  // the next call is the first again
      throw;
    }
  }
  if (captured_->graph == nullptr) {
    try {
      captured_->capture(function_, *pool_);
    } catch (std::exception const& error) {
      // Every rank makes the same collectives with a graph or without one.
      log_warning(std::string("going on without a CUDA graph: ") + first_line_of(error));
      graphs_ = CudaGraphs::off;
      captured_.reset();
      return function_(inputs);
    }
  }
  return captured_->replay();
#else
  return function_(inputs);
#endif
}

}  // namespace ditbatch::ops
