#include "ops/cuda/memset_nodes.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace ditbatch::ops::cuda {

namespace {

constexpr std::size_t small_bytes = std::size_t{64} << 10U;
constexpr unsigned threads = 256;

template <class T>
__global__ void __launch_bounds__(threads) fill_kernel(T* to, unsigned count, T value) {
  for (unsigned i = threadIdx.x; i < count; i += threads) to[i] = value;
}

void check(cudaError_t code) {
  if (code != cudaSuccess)
    throw std::runtime_error(std::string("a CUDA graph cannot be changed: ") +
                             cudaGetErrorString(code));
}

std::vector<cudaGraphNode_t> nodes_of(cudaGraph_t graph) {
  std::size_t count = 0;
  check(cudaGraphGetNodes(graph, nullptr, &count));
  std::vector<cudaGraphNode_t> nodes(count);
  check(cudaGraphGetNodes(graph, nodes.data(), &count));
  return nodes;
}

// What `ask`, cudaGraphNodeGetDependencies or cudaGraphNodeGetDependentNodes, tells of a node.
template <class Ask>
std::vector<cudaGraphNode_t> beside(cudaGraphNode_t node, Ask const& ask) {
  std::size_t count = 0;
  check(ask(node, nullptr, nullptr, &count));
  std::vector<cudaGraphNode_t> nodes(count);
  if (count > 0) check(ask(node, nodes.data(), nullptr, &count));
  return nodes;
}

template <class T>
cudaGraphNode_t add_fill(cudaGraph_t graph, cudaMemsetParams const& set,
                         std::vector<cudaGraphNode_t> const& dependencies) {
  auto* to = static_cast<T*>(set.dst);
  auto count = static_cast<unsigned>(set.width);
  auto value = static_cast<T>(set.value);
  void* arguments[] = {&to, &count, &value};
  cudaKernelNodeParams params{};
  params.func = reinterpret_cast<void*>(&fill_kernel<T>);
  params.gridDim = dim3(1);
  params.blockDim = dim3(threads);
  params.kernelParams = arguments;
  cudaGraphNode_t added = nullptr;
  check(cudaGraphAddKernelNode(&added, graph, dependencies.data(), dependencies.size(), &params));
  return added;
}

void replace(cudaGraph_t graph, cudaGraphNode_t node, cudaMemsetParams const& set) {
  auto const dependencies =
      beside(node, [](auto... arguments) { return cudaGraphNodeGetDependencies(arguments...); });
  auto const dependents =
      beside(node, [](auto... arguments) { return cudaGraphNodeGetDependentNodes(arguments...); });
  cudaGraphNode_t const fill =
      set.elementSize == 1   ? add_fill<std::uint8_t>(graph, set, dependencies)
      : set.elementSize == 2 ? add_fill<std::uint16_t>(graph, set, dependencies)
                             : add_fill<std::uint32_t>(graph, set, dependencies);
  std::vector<cudaGraphNode_t> const from(dependents.size(), fill);
  if (!dependents.empty())
    check(cudaGraphAddDependencies(graph, from.data(), dependents.data(), nullptr,
                                   dependents.size()));
  check(cudaGraphDestroyNode(node));
}

}  // namespace

void make_memsets_kernels(cudaGraph_t graph) {
  for (cudaGraphNode_t const node : nodes_of(graph)) {
    cudaGraphNodeType type{};
    check(cudaGraphNodeGetType(node, &type));
    if (type != cudaGraphNodeTypeMemset) continue;
    cudaMemsetParams set{};
    check(cudaGraphMemsetNodeGetParams(node, &set));
    if (set.height <= 1 && set.width * set.elementSize <= small_bytes) replace(graph, node, set);
  }
}

}  // namespace ditbatch::ops::cuda
