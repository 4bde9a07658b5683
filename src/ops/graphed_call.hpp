#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace ditbatch::ops {

enum class CudaGraphs { off, on };

/// The memory that CUDA graphs of one stream share: they run one after another, and what a graph
/// leaves behind is copied out before the next one runs.
class GraphPool;
[[nodiscard]] std::shared_ptr<GraphPool> make_graph_pool();

/// A function of tensors of fixed shapes that is called again and again: on a GPU one launch
/// instead of hundreds.
///
/// The first call runs as it is, so that libraries choose their algorithms; the second is captured
/// as a CUDA graph and replayed, as are all later ones. The function must not wait for the GPU, nor
/// read anything else that changes: what it captures by reference has to stay as it is. Collectives
/// inside are captured too, so every rank of a group has to call its graphs in the same order. A
/// call that cannot be captured (no memory) goes on without a graph. On CPUs and with
/// CudaGraphs::off every call runs as it is.
class GraphedCall {
 public:
  using Function = std::function<std::vector<at::Tensor>(std::vector<at::Tensor> const&)>;
  GraphedCall(Function function, CudaGraphs graphs, std::shared_ptr<GraphPool> pool);
  GraphedCall(GraphedCall&&) noexcept;
  GraphedCall& operator=(GraphedCall&&) noexcept;
  ~GraphedCall();

  /// Inputs of the same shapes and dtypes at every call; results are the caller's own.
  [[nodiscard]] std::vector<at::Tensor> operator()(std::vector<at::Tensor> const& inputs);

 private:
  struct Captured;
  Function function_;
  CudaGraphs graphs_;
  std::shared_ptr<GraphPool> pool_;
  std::unique_ptr<Captured>
      captured_;  // its inputs from the first call on, its graph from the second
};

}  // namespace ditbatch::ops
