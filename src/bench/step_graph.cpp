#include "bench/step_graph.hpp"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "comm/cuda_device.hpp"
#include "ops/cuda/memset_nodes.hpp"

namespace ditbatch {

struct StepGraph::Captured {
  c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();  // the default one cannot capture
  at::cuda::CUDAGraph graph{/*keep_graph=*/true};
};

StepGraph::StepGraph(std::function<void()> const& body) : captured_(std::make_unique<Captured>()) {
  check_cuda(cudaDeviceSynchronize());  // what `body` reads was made on another stream
  c10::cuda::CUDAStreamGuard const guard(captured_->stream);
  body();
  check_cuda(cudaStreamSynchronize(captured_->stream.stream()));
  // Thread-local: what other threads ask of the GPU meanwhile does not spoil the capture.
  captured_->graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  body();
  captured_->graph.capture_end();
  ops::cuda::make_memsets_kernels(captured_->graph.raw_cuda_graph());
  captured_->graph.instantiate();
}

StepGraph::~StepGraph() = default;

void StepGraph::replay() {
  c10::cuda::CUDAStreamGuard const guard(captured_->stream);
  captured_->graph.replay();
}

}  // namespace ditbatch
