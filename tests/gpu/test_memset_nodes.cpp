// On a GPU: small memory sets of a captured graph become kernels that set the same bytes at the
// same place of the order; large and two-dimensional ones stay.
#define BOOST_TEST_MODULE memset_nodes
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <vector>

#include "comm/cuda_device.hpp"
#include "ops/cuda/memset_nodes.hpp"

using namespace ditbatch;

namespace {

struct Gpu {
  Gpu() { (void)use_cuda_device(c10::Device(c10::kCUDA, 0), -1); }
};
BOOST_TEST_GLOBAL_FIXTURE(Gpu);

at::Tensor ones(std::int64_t bytes) {
  return at::ones({bytes}, at::TensorOptions().device(at::kCUDA).dtype(at::kByte));
}

std::map<cudaGraphNodeType, int> kinds_of(cudaGraph_t graph) {
  std::size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count));
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count));
  std::map<cudaGraphNodeType, int> kinds;
  for (cudaGraphNode_t const node : nodes) {
    cudaGraphNodeType kind{};
    check_cuda(cudaGraphNodeGetType(node, &kind));
    kinds[kind] += 1;
  }
  return kinds;
}

// Captures `body`, changes the graph and runs it -> its nodes after the change.
std::map<cudaGraphNodeType, int> run_changed(std::function<void(cudaStream_t)> const& body) {
  c10::cuda::CUDAStream const stream = c10::cuda::getStreamFromPool();
  check_cuda(cudaDeviceSynchronize());
  at::cuda::CUDAGraph graph(/*keep_graph=*/true);
  c10::cuda::CUDAStreamGuard const on_stream(stream);
  graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  body(stream.stream());
  graph.capture_end();
  ops::cuda::make_memsets_kernels(graph.raw_cuda_graph());
  auto const kinds = kinds_of(graph.raw_cuda_graph());
  graph.instantiate();
  graph.replay();
  check_cuda(cudaDeviceSynchronize());
  return kinds;
}

}  // namespace

BOOST_AUTO_TEST_CASE(small_sets_become_kernels_with_the_same_bytes) {
  for (std::int64_t const bytes : {1, 3, 4, 16, 250, 1000, 4096, 65536}) {
    for (int const value : {0, 7, 255}) {
      at::Tensor const memory = ones(bytes + 32);
      auto const kinds = run_changed([&](cudaStream_t stream) {
        check_cuda(cudaMemsetAsync(static_cast<char*>(memory.data_ptr()) + 16, value,
                                   static_cast<std::size_t>(bytes), stream));
      });
      BOOST_TEST((kinds == std::map<cudaGraphNodeType, int>{{cudaGraphNodeTypeKernel, 1}}));
      at::Tensor const expected = ones(bytes + 32);
      expected.narrow(0, 16, bytes).fill_(value);
      BOOST_TEST(at::equal(memory, expected), bytes << " bytes of " << value);
    }
  }
}

BOOST_AUTO_TEST_CASE(large_and_two_dimensional_sets_stay) {
  at::Tensor const memory = ones(1 << 20);
  auto const kinds = run_changed([&](cudaStream_t stream) {
    check_cuda(cudaMemsetAsync(memory.data_ptr(), 5, 1 << 19, stream));
    check_cuda(cudaMemset2DAsync(static_cast<char*>(memory.data_ptr()) + (1 << 19), 256, 6, 100, 64,
                                 stream));
  });
  BOOST_TEST(kinds.at(cudaGraphNodeTypeMemset) == 2);
  at::Tensor const expected = ones(1 << 20);
  expected.narrow(0, 0, 1 << 19).fill_(5);
  expected.narrow(0, 1 << 19, 64 * 256).view({64, 256}).narrow(1, 0, 100).fill_(6);
  BOOST_TEST(at::equal(memory, expected));
}

BOOST_AUTO_TEST_CASE(the_order_of_nodes_stays) {
  // Sets between kernels that read and write the same memory, on two branches that join.
  at::Tensor const a = ones(4096);
  at::Tensor const sums = at::zeros({3}, a.options().dtype(at::kLong));
  c10::cuda::CUDAStream const beside = c10::cuda::getStreamFromPool();
  auto const kinds = run_changed([&](cudaStream_t stream) {
    sums[0].copy_(a.sum());
    check_cuda(cudaMemsetAsync(a.data_ptr(), 2, 4096, stream));
    make_wait(beside, c10::cuda::getCurrentCUDAStream());
    {
      c10::cuda::CUDAStreamGuard const on_beside(beside);
      sums[1].copy_(a.sum());
      check_cuda(cudaMemsetAsync(a.data_ptr(), 3, 4096, beside.stream()));
    }
    make_wait(c10::cuda::getCurrentCUDAStream(), beside);
    sums[2].copy_(a.sum());
  });
  BOOST_TEST(kinds.count(cudaGraphNodeTypeMemset) == 0U);
  BOOST_TEST(at::equal(sums.cpu(), at::tensor({4096, 2 * 4096, 3 * 4096}, at::kLong)));
}
