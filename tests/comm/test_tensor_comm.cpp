// Exchanges between real ranks: over MPI on CPUs, and over NCCL with DITBATCH_TEST_DEVICE=cuda,
// where all ranks share one GPU.
#define BOOST_TEST_MODULE tensor_comm
#include <ATen/ATen.h>
#include <mpi.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

#include "comm/mesh_comms.hpp"
#include "comm/mpi_tensor_comm.hpp"
#include "support/mpi_world.hpp"
#if DITBATCH_CUDA
#include "comm/nccl_tensor_comm.hpp"
#endif

using namespace ditbatch;
using test::MpiWorld;
using test::test_device;

namespace {

std::unique_ptr<TensorComm> make_comm() {
#if DITBATCH_CUDA
  if (test_device().is_cuda())
    return std::make_unique<NcclTensorComm>(MPI_COMM_WORLD, test_device());
#endif
  return std::make_unique<MpiTensorComm>(duplicate(MPI_COMM_WORLD));
}

BOOST_TEST_GLOBAL_FIXTURE(MpiWorld);

// Values that say where they came from and where they go.
at::Tensor marked(int from, int to, std::int64_t rows, at::ScalarType dtype) {
  return (at::arange(rows * 3) % 50 + 10 * from + to).view({rows, 3}).to(dtype).to(test_device());
}

std::int64_t rows_between(int from, int to) {
  return (from * 3 + to * 5) % 4;
}  // uneven, some empty

}  // namespace

BOOST_AUTO_TEST_CASE(uneven_exchanges_arrive_whole) {
  auto const comm = make_comm();
  for (at::ScalarType const dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kByte, at::kLong}) {
    std::vector<at::Tensor> send;
    std::vector<std::vector<std::int64_t>> shapes;
    for (int peer = 0; peer < comm->size(); ++peer) {
      send.push_back(marked(comm->rank(), peer, rows_between(comm->rank(), peer), dtype));
      shapes.push_back({rows_between(peer, comm->rank()), 3});
    }
    std::vector<at::Tensor> const received = comm->all_to_all(send, shapes);
    for (int peer = 0; peer < comm->size(); ++peer) {
      BOOST_TEST(at::equal(received[static_cast<std::size_t>(peer)],
                           marked(peer, comm->rank(), rows_between(peer, comm->rank()), dtype)));
    }
  }
}

BOOST_AUTO_TEST_CASE(gathered_rows_stand_in_the_order_of_ranks) {
  auto const comm = make_comm();
  std::vector<std::int64_t> rows;
  std::vector<at::Tensor> expected;
  for (int peer = 0; peer < comm->size(); ++peer) {
    rows.push_back(peer == 1 ? 0 : 2 + peer);
    expected.push_back(marked(peer, 0, rows.back(), at::kBFloat16));
  }
  at::Tensor const own = expected[static_cast<std::size_t>(comm->rank())];
  BOOST_TEST(at::equal(comm->all_gather_rows(own, rows), at::cat(expected)));
}

BOOST_AUTO_TEST_CASE(every_root_can_broadcast) {
  auto const comm = make_comm();
  for (int root = 0; root < comm->size(); ++root) {
    at::Tensor const expected = marked(root, 7, 5, at::kFloat);
    at::Tensor const mine = comm->rank() == root ? expected : at::zeros_like(expected);
    BOOST_TEST(at::equal(comm->broadcast(mine, root), expected));
  }
}

BOOST_AUTO_TEST_CASE(large_messages_arrive_whole) {
  auto const comm = make_comm();
  std::int64_t const rows =
      (std::int64_t{16} << 20U) / comm->size();  // 192 MiB in all at float32 x 3
  std::vector<at::Tensor> send(static_cast<std::size_t>(comm->size()));
  std::vector<std::vector<std::int64_t>> const shapes(static_cast<std::size_t>(comm->size()),
                                                      {rows / comm->size(), 3});
  for (int peer = 0; peer < comm->size(); ++peer)
    send[static_cast<std::size_t>(peer)] =
        marked(comm->rank(), peer, rows / comm->size(), at::kFloat);
  std::vector<at::Tensor> const received = comm->all_to_all(send, shapes);
  for (int peer = 0; peer < comm->size(); ++peer) {
    BOOST_TEST(at::equal(received[static_cast<std::size_t>(peer)],
                         marked(peer, comm->rank(), rows / comm->size(), at::kFloat)));
  }
}

BOOST_AUTO_TEST_CASE(the_groups_of_a_mesh_are_those_of_its_coordinates) {
  int const size = size_of(MPI_COMM_WORLD);
  for (MeshShape const shape :
       {MeshShape{size, 1, 1, 1, 1}, MeshShape{1, 1, 1, 1, size},
        MeshShape{1, size % 2 == 0 ? 2 : 1, 1, size % 2 == 0 ? size / 2 : size, 1}}) {
    MeshComms const comms = make_mesh_comms(MPI_COMM_WORLD, shape, test_device());
    BOOST_TEST(comms.replica->size() == shape.ranks_per_replica());
    BOOST_TEST(comms.branch->size() == shape.ranks_per_branch());
    BOOST_TEST(comms.branch->rank() ==
               comms.coordinate.ring * shape.ulysses + comms.coordinate.ulysses);
    BOOST_TEST(comms.cfg->rank() == comms.coordinate.cfg);
    BOOST_TEST(comms.ring->rank() == comms.coordinate.ring);
    BOOST_TEST(comms.ulysses->rank() == comms.coordinate.ulysses);
    BOOST_TEST(rank_of(comms.replica_host.get()) == comms.replica->rank());
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

BOOST_AUTO_TEST_CASE(texts_of_all_sizes_are_gathered) {
  std::string const mine(static_cast<std::size_t>(rank_of(MPI_COMM_WORLD)) * 1000, 'x');
  std::vector<std::string> const all = all_gather_strings(MPI_COMM_WORLD, mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) BOOST_TEST(all[rank].size() == rank * 1000);
  BOOST_TEST(broadcast_string(MPI_COMM_WORLD, mine, size_of(MPI_COMM_WORLD) - 1).size() ==
             (all.size() - 1) * 1000);
}
