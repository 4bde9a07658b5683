// The groups of a mesh between real ranks: each set of ranks has one, whatever it is called.
#define BOOST_TEST_MODULE mesh_comms
#include <ATen/ATen.h>
#include <mpi.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "comm/observed_tensor_comm.hpp"
#include "comm/self_tensor_comm.hpp"
#include "core/error.hpp"
#include "support/mpi_world.hpp"

using namespace ditbatch;
using test::MpiWorld;

BOOST_TEST_GLOBAL_FIXTURE(MpiWorld);

namespace {

int world_size() { return size_of(MPI_COMM_WORLD); }

MeshComms comms_of(MeshShape const& shape) {
  return make_mesh_comms(MPI_COMM_WORLD, shape, c10::Device(c10::kCPU));
}

std::size_t groups_of_several(MeshComms const& comms) {
  std::size_t count = 0;
  for (auto const& group : comms.groups) count += group->size() > 1 ? 1U : 0U;
  return count;
}

// Counts how often the job is given up.
class LostComm final : public SelfTensorComm {
 public:
  [[nodiscard]] int size() const override { return 2; }
  void abort() noexcept override { aborts += 1; }
  int aborts = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(equal_groups_are_one) {
  MeshComms const comms = comms_of({1, 1, 1, 1, world_size()});
  BOOST_TEST(comms.replica.get() == comms.ulysses.get());
  BOOST_TEST(comms.branch.get() == comms.ulysses.get());
  BOOST_TEST(groups_of_several(comms) == 1U);
  BOOST_TEST(comms.ulysses->size() == world_size());
  BOOST_TEST(comms.cfg->size() == 1);
}

BOOST_AUTO_TEST_CASE(different_groups_stay_apart) {
  if (world_size() % 4 != 0) return;
  MeshComms const comms = comms_of({world_size() / 4, 2, 1, 1, 2});
  BOOST_TEST(comms.branch.get() == comms.ulysses.get());
  BOOST_TEST(comms.replica.get() != comms.branch.get());
  BOOST_TEST(comms.cfg.get() != comms.branch.get());
  BOOST_TEST(groups_of_several(comms) == 3U);
  BOOST_TEST(comms.replica->size() == 4);
  BOOST_TEST(comms.replica->rank() == rank_of(MPI_COMM_WORLD) % 4);
}

// The mesh dimension is what a report and the watchdog name, not the group beneath it.
BOOST_AUTO_TEST_CASE(a_shared_group_keeps_the_names_of_its_dimensions) {
  MeshComms comms = comms_of({1, 1, 1, 1, world_size()});
  std::vector<std::string> calls;
  observe(comms, {[&](std::string const& call) { calls.push_back(call); }, [] {}, nullptr});
  std::vector<std::int64_t> const rows(static_cast<std::size_t>(world_size()), 1);
  at::Tensor const own = at::full({1, 2}, rank_of(MPI_COMM_WORLD));
  for (TensorComm* comm : {comms.replica.get(), comms.ulysses.get(), comms.branch.get()}) {
    at::Tensor const all = comm->all_gather_rows(own, rows);
    for (int rank = 0; rank < world_size(); ++rank) BOOST_TEST(all[rank][0].item<int>() == rank);
  }
  BOOST_TEST((calls == std::vector<std::string>{"replica all_gather", "ulysses all_gather",
                                                "branch all_gather"}));
}

BOOST_AUTO_TEST_CASE(a_shared_group_is_given_up_once) {
  MeshComms comms;
  auto const shared = std::make_shared<LostComm>();
  comms.replica = comms.branch = comms.ulysses = shared;
  comms.cfg = comms.ring = std::make_shared<SelfTensorComm>();
  comms.groups = {shared, comms.cfg};
  abort_collectives(comms);
  BOOST_TEST(shared->aborts == 1);
}

// MPI does not tell where a rank made two splits in another order: it would exchange data with the
// wrong ranks for as long as sizes fit.
BOOST_AUTO_TEST_CASE(a_group_of_other_ranks_is_an_error) {
  int const rank = rank_of(MPI_COMM_WORLD);
  MeshShape const shape{1, 1, 1, 2, world_size() / 2};
  std::vector<int> const ulysses = members_of(MeshGroup::ulysses, shape, rank);
  std::vector<int> const ring = members_of(MeshGroup::ring, shape, rank);
  UniqueMpiComm const right = split(MPI_COMM_WORLD, ulysses.front());
  BOOST_CHECK_NO_THROW(check_members(MPI_COMM_WORLD, right.get(), ulysses));
  UniqueMpiComm const swapped = split(MPI_COMM_WORLD, ring.front());
  BOOST_CHECK_THROW(check_members(MPI_COMM_WORLD, swapped.get(), ulysses), Error);
}

// One rank that splits in another order, or once more: the others would wait in it for ever.
BOOST_AUTO_TEST_CASE(ranks_that_would_split_otherwise_all_hear_of_it) {
  if (world_size() % 4 != 0) return;
  bool const is_odd_one = rank_of(MPI_COMM_WORLD) == 1;
  MeshShape const shape{1, 1, 1, 2, world_size() / 2};
  MeshShape const swapped{1, 2, 1, 1, world_size() / 2};
  c10::Device const cpu(c10::kCPU);
  BOOST_CHECK_THROW((void)make_mesh_comms(MPI_COMM_WORLD, is_odd_one ? swapped : shape, cpu),
                    Error);
  BOOST_CHECK_THROW((void)make_mesh_comms(MPI_COMM_WORLD, shape, cpu,
                                          is_odd_one ? PeerAccess::off : PeerAccess::automatic),
                    Error);
}

BOOST_AUTO_TEST_CASE(members_follow_from_the_mesh) {
  MeshShape const shape{2, 2, 1, 2, 3};  // rank 20: replica 1, cfg 1, ring 0, ulysses 2
  using Ranks = std::vector<int>;
  BOOST_TEST((members_of(MeshGroup::ulysses, shape, 20) == Ranks{18, 19, 20}));
  BOOST_TEST((members_of(MeshGroup::ring, shape, 20) == Ranks{20, 23}));
  BOOST_TEST((members_of(MeshGroup::cfg, shape, 20) == Ranks{14, 20}));
  BOOST_TEST((members_of(MeshGroup::branch, shape, 20) == Ranks{18, 19, 20, 21, 22, 23}));
  BOOST_TEST(members_of(MeshGroup::replica, shape, 20).size() == 12U);
}
