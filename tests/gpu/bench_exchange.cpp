// Microseconds of the two exchanges of a block between GPUs that have one rank each, FLUX.1-dev's
// heads at 1024x1024 and 2048x2048: mpirun -n 4 bench_exchange. Started by hand.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "comm/mesh_comms.hpp"
#include "models/flux/sequence_exchange.hpp"
#include "ops/graphed_call.hpp"
#include "support/mpi_world.hpp"

using namespace ditbatch;

namespace {

constexpr int blocks = 50;

double best_us(ops::GraphedCall& call, at::Tensor const& input) {
  double best = 1e9;
  for (int i = 0; i < 8; ++i) {
    MPI_Barrier(MPI_COMM_WORLD);
    at::cuda::CUDAEvent begin(cudaEventDefault), end(cudaEventDefault);
    begin.record();
    (void)call({input});
    end.record();
    end.synchronize();
    if (i > 2) best = std::min(best, static_cast<double>(begin.elapsed_time(end)) * 1e3 / blocks);
  }
  return best;
}

void measure(MeshComms const& comms, std::int64_t image_tokens) {
  FluxConfig const config;
  auto const like = at::TensorOptions().device(test::test_device()).dtype(at::kBFloat16);
  TokenLayout const layout = make_token_layout(
      512, image_tokens,
      {comms.shape.ring, comms.shape.ulysses, comms.coordinate.ring, comms.coordinate.ulysses});
  std::int64_t const text = layout.own_text().size;
  std::int64_t const rows = text + layout.own_image().size;
  at::Tensor const qkv = at::randn({1, rows, 3, config.heads, config.head_size}, like);
  at::Tensor const weight = at::randn({config.head_size}, like);
  at::Tensor const angles = at::randn({rows, config.head_size}, like.dtype(at::kFloat));
  ops::RotaryTable const rotary{angles, angles};
  struct Way {
    char const* name;
    std::shared_ptr<flux::SequenceExchange> exchange;
  };
  for (Way const& way :
       {Way{"peers", flux::make_peer_exchange(layout, config, 1, like, *comms.peers)},
        Way{"collectives", flux::make_collective_exchange(layout, *comms.ulysses, *comms.ring)}}) {
    at::Tensor const results =
        at::randn({1, layout.ring_text_tokens(layout.ring) + layout.ring_image_tokens(layout.ring),
                   config.heads / layout.ulysses_degree, config.head_size},
                  like);
    auto const share = [&](flux::Meanwhile meanwhile) {
      return way.exchange
          ->share_heads({qkv, {weight, weight}, {weight, weight}, rotary, text, meanwhile},
                        flux::Rows::all)
          .q;
    };
    auto const give_back = [&] {
      return way.exchange->return_tokens(
          results, way.exchange->token_buffer(rows, config.width(), qkv), flux::Rows::all);
    };
    auto const timed = [&](auto const& work) {
      ops::GraphedCall call(
          [&](std::vector<at::Tensor> const&) {
            at::Tensor last;
            for (int i = 0; i < blocks; ++i) last = work();
            return std::vector{last.narrow(1, 0, 1).clone()};
          },
          ops::CudaGraphs::on, ops::make_graph_pool());
      return best_us(call, weight);
    };
    double const shared = timed([&] { return share(flux::Meanwhile::nothing); });
    double const copied = timed([&] { return share(flux::Meanwhile::product); });
    double const returned = timed(give_back);
    if (rank_of(MPI_COMM_WORLD) == 0)
      std::printf(
          "ulysses %d, ring %d, %lld tokens a rank, %s: heads %.1f us, "
          "beside a product %.1f us, tokens %.1f us\n",
          comms.shape.ulysses, comms.shape.ring, static_cast<long long>(rows), way.name, shared,
          copied, returned);
  }
}

}  // namespace

int main() {
  ::setenv("DITBATCH_TEST_DEVICE", "cuda-each", 0);
  test::MpiWorld const world;
  int const size = size_of(MPI_COMM_WORLD);
  for (int ulysses = size; ulysses >= 1; ulysses /= 2) {
    MeshShape shape;
    shape.ulysses = ulysses;
    shape.ring = size / ulysses;
    MeshComms const comms = make_mesh_comms(MPI_COMM_WORLD, shape, test::test_device());
    for (std::int64_t const image_tokens : {4096, 16384}) measure(comms, image_tokens);
  }
}
