#pragma once

#include <functional>
#include <memory>

namespace ditbatch {

/// Calls on the current GPU as one CUDA graph. CUDA builds only.
class StepGraph {
 public:
  /// Calls `body` twice: once to let libraries choose their algorithms, once to capture. Its
  /// tensors from outside must outlive the graph.
  explicit StepGraph(std::function<void()> const& body);
  StepGraph(StepGraph const&) = delete;
  StepGraph& operator=(StepGraph const&) = delete;
  ~StepGraph();

  /// Launches the graph; does not wait.
  void replay();

 private:
  struct Captured;
  std::unique_ptr<Captured> captured_;
};

}  // namespace ditbatch
