// On GPUs: exchanges that write to other ranks' memory give the bits of the collectives, for every
// split of the branch, uneven and empty shards, batches, sizes in turn, and inside CUDA graphs. All
// ranks share one GPU, or have one each.
#define BOOST_TEST_MODULE peer_exchange
#include <ATen/ATen.h>
#include <ATen/cuda/Sleep.h>

#include <boost/test/unit_test.hpp>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "models/flux/sequence_exchange.hpp"
#include "ops/graphed_call.hpp"
#include "support/mpi_world.hpp"

using namespace ditbatch;
using flux::Meanwhile;
using flux::Rows;
using test::MpiWorld;
using test::test_device;

namespace {

BOOST_TEST_GLOBAL_FIXTURE(MpiWorld);

constexpr std::int64_t heads = 12;
constexpr int blocks = 20;  // in a graph

struct Size {
  std::int64_t text, image, images;
};
// Even; uneven; fewer tokens than some splits have ranks; a batch; large.
std::vector<Size> const sizes{{16, 64, 1}, {17, 35, 2}, {3, 9, 1}, {1, 2, 3}, {512, 1000, 1}};

// Every other rank reads late: what others write too early would be seen.
void dawdle(std::size_t rank) {
  constexpr std::int64_t cycles = 300'000;  // a fifth of a millisecond
  if (rank % 2 == 0) at::cuda::sleep(cycles);
}

// What a rank feeds in and gets out, twice: queries, keys and values, and the returned tokens.
struct Case {
  TokenLayout layout;
  at::Tensor qkv, text_query, text_key, image_query, image_key, cos, sin;

  Case(Size const& size, MeshComms const& comms, FluxConfig const& config, at::ScalarType dtype)
      : layout(make_token_layout(size.text, size.image,
                                 {comms.shape.ring, comms.shape.ulysses, comms.coordinate.ring,
                                  comms.coordinate.ulysses})) {
    at::manual_seed(1 + layout.index());
    auto const on_gpu = at::TensorOptions().device(test_device());
    std::int64_t const rows = layout.own_text().size + layout.own_image().size;
    auto const drawn = [&](std::vector<std::int64_t> const& shape) {
      return at::randn(shape).to(on_gpu).to(dtype);
    };
    qkv = drawn({size.images, rows, 3, config.heads, config.head_size});
    at::manual_seed(99);  // weights are the same on all ranks
    for (at::Tensor* weight : {&text_query, &text_key, &image_query, &image_key})
      *weight = drawn({config.head_size});
    cos = at::randn({rows, config.head_size}).to(on_gpu);
    sin = at::randn({rows, config.head_size}).to(on_gpu);
  }

  // (q, kv, tokens) of one block.
  [[nodiscard]] std::vector<at::Tensor> run(flux::SequenceExchange& exchange,
                                            at::Tensor const& from, Rows rows,
                                            std::int64_t token_widths,
                                            Meanwhile meanwhile = Meanwhile::nothing) const {
    ops::RotaryTable const rotary{cos, sin};
    std::int64_t const text = layout.own_text().size;
    std::int64_t const width = from.size(3) * from.size(4);
    at::Tensor const place =
        exchange
            .token_buffer((rows == Rows::all ? text : 0) + layout.own_image().size,
                          token_widths * width, from)
            .narrow(2, 0, width);
    flux::AttentionInputs const inputs = exchange.share_heads(
        {from.clone(), {text_query, text_key}, {image_query, image_key}, rotary, text, meanwhile},
        rows);
    dawdle(layout.index());
    at::Tensor const q = inputs.q.clone();
    at::Tensor const kv = inputs.kv.clone();
    // Stands for attention: the rank's heads of the rows that it asks with.
    at::Tensor const returned = exchange.return_tokens((q * 2).contiguous(), place, rows);
    dawdle(layout.index() + 1);
    return {q, kv, returned.clone()};
  }
};

bool are_equal(std::vector<at::Tensor> const& a, std::vector<at::Tensor> const& b) {
  bool equal = true;
  for (std::size_t i = 0; i < a.size(); ++i) equal = equal && at::equal(a[i], b[i]);
  return equal;
}

std::vector<MeshShape> shapes_of_world() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::vector<MeshShape> shapes;
  for (int ulysses = 1; ulysses <= size; ++ulysses) {
    if (size % ulysses != 0) continue;
    MeshShape shape;
    shape.ulysses = ulysses;
    shape.ring = size / ulysses;
    shapes.push_back(shape);
  }
  return shapes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(peers_give_the_bits_of_collectives) {
  for (MeshShape const& shape : shapes_of_world()) {
    MeshComms const comms = make_mesh_comms(MPI_COMM_WORLD, shape, test_device());
    BOOST_REQUIRE(comms.peers != nullptr);
    for (auto const& [head_size, dtype] : {std::make_tuple(std::int64_t{128}, at::kBFloat16),
                                           std::make_tuple(std::int64_t{64}, at::kHalf),
                                           std::make_tuple(std::int64_t{128}, at::kFloat)}) {
      FluxConfig config;
      config.heads = heads;
      config.head_size = head_size;
      auto const like = at::TensorOptions().device(test_device()).dtype(dtype);
      for (Size const& size : sizes) {
        Case const each(size, comms, config, dtype);
        auto const collective =
            flux::make_collective_exchange(each.layout, *comms.ulysses, *comms.ring);
        auto const peers =
            flux::make_peer_exchange(each.layout, config, size.images, like, *comms.peers);
        for (int round = 0; round < 2; ++round) {
          at::Tensor const from = each.qkv + round;
          for (auto const& [rows, widths, meanwhile] :
               {std::make_tuple(Rows::all, std::int64_t{1}, Meanwhile::nothing),
                std::make_tuple(Rows::all, std::int64_t{5}, Meanwhile::product),
                std::make_tuple(Rows::image_only, std::int64_t{5}, Meanwhile::product)}) {
            BOOST_TEST(are_equal(each.run(*peers, from, rows, widths, meanwhile),
                                 each.run(*collective, from, rows, widths)),
                       "ulysses " << shape.ulysses << ", ring " << shape.ring << ", " << size.text
                                  << " + " << size.image << " tokens, " << size.images
                                  << " images, head size " << head_size << ", "
                                  << at::toString(dtype) << ", round " << round);
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_aborted_exchange_ends_and_a_new_start_counts_alike) {
  MeshShape shape;
  MPI_Comm_size(MPI_COMM_WORLD, &shape.ulysses);
  MeshComms const comms = make_mesh_comms(MPI_COMM_WORLD, shape, test_device());
  BOOST_REQUIRE(comms.peers != nullptr);
  FluxConfig config;
  config.heads = heads;
  Case const each({16, 64, 1}, comms, config, at::kBFloat16);
  auto const peers =
      flux::make_peer_exchange(each.layout, config, 1, each.qkv.options(), *comms.peers);
  // One rank makes an exchange more than the others: nothing that belongs together meets.
  if (comms.peers->rank() == 0) {
    (void)each.run(*peers, each.qkv, Rows::all, 1);
    comms.peers->abort();
  }
  comms.peers->start_over();
  auto const after = flux::make_collective_exchange(each.layout, *comms.ulysses, *comms.ring);
  std::vector<at::Tensor> const expected = each.run(*after, each.qkv, Rows::all, 1);
  std::vector<at::Tensor> const made = each.run(*peers, each.qkv, Rows::all, 1);
  // Rank 0 waits for nobody any more; what it sends arrives all the same.
  bool const is_whole = at::equal(made[0], expected[0]) && at::equal(made[1], expected[1]);
  BOOST_TEST((is_whole || comms.peers->rank() == 0));
}

BOOST_AUTO_TEST_CASE(graphs_exchange_too) {
  for (MeshShape const& shape : shapes_of_world()) {
    MeshComms const comms = make_mesh_comms(MPI_COMM_WORLD, shape, test_device());
    BOOST_REQUIRE(comms.peers != nullptr);
    FluxConfig config;
    config.heads = heads;
    auto const like = at::TensorOptions().device(test_device()).dtype(at::kBFloat16);
    auto const pool = ops::make_graph_pool();
    // Two sizes in turn, as images come: their graphs share the memory of the peers.
    std::vector<Case> cases;
    std::vector<std::shared_ptr<flux::SequenceExchange>> exchanges;
    std::vector<ops::GraphedCall> calls;
    for (Size const& size : {Size{17, 35, 1}, Size{64, 300, 1}}) {
      cases.emplace_back(size, comms, config, at::kBFloat16);
      exchanges.push_back(
          flux::make_peer_exchange(cases.back().layout, config, size.images, like, *comms.peers));
      // Blocks without a pause between them, and what each of them gave.
      auto const run = [each = cases.back(),
                        exchange = exchanges.back()](std::vector<at::Tensor> const& inputs) {
        std::vector<at::Tensor> made;
        for (int block = 0; block < blocks; ++block) {
          for (at::Tensor const& one :
               each.run(*exchange, inputs[0] + block, Rows::all, 5,
                        block % 3 == 0 ? Meanwhile::nothing : Meanwhile::product))
            made.push_back(one);
        }
        return made;
      };
      calls.emplace_back(run, ops::CudaGraphs::on, pool);
    }
    for (int round = 0; round < 4; ++round) {
      for (std::size_t i = 0; i < cases.size(); ++i) {
        Case const& each = cases[i];
        at::Tensor const from = each.qkv + round;
        auto const collective =
            flux::make_collective_exchange(each.layout, *comms.ulysses, *comms.ring);
        std::vector<at::Tensor> expected;
        for (int block = 0; block < blocks; ++block) {
          for (at::Tensor const& one : each.run(*collective, from + block, Rows::all, 5))
            expected.push_back(one);
        }
        BOOST_TEST(are_equal(calls[i]({from}), expected),
                   "ulysses " << shape.ulysses << ", ring " << shape.ring << ", round " << round);
      }
    }
  }
}
