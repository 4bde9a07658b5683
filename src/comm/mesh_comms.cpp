#include "comm/mesh_comms.hpp"

#include <array>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "comm/mpi_tensor_comm.hpp"
#include "comm/self_tensor_comm.hpp"
#include "core/error.hpp"
#if DITBATCH_CUDA
#include "comm/nccl_tensor_comm.hpp"
#endif

namespace ditbatch {

std::unique_ptr<TensorComm> make_tensor_comm(UniqueMpiComm comm, c10::Device device) {
  if (size_of(comm.get()) == 1) return std::make_unique<SelfTensorComm>();
#if DITBATCH_CUDA
  if (device.is_cuda()) return std::make_unique<NcclTensorComm>(comm.get(), device);
#endif
  ensure(device.is_cpu(), "a build without CUDA has CPU ranks only");
  return std::make_unique<MpiTensorComm>(std::move(comm));
}

std::vector<int> members_of(MeshGroup group, MeshShape const& shape, int world_rank) {
  MeshCoordinate const own = coordinate_of(shape, world_rank);
  bool const is_replica = group == MeshGroup::replica;
  bool const is_branch = group == MeshGroup::branch || is_replica;
  auto const is_member = [&](MeshCoordinate const& other) {
    MeshCoordinate moved = own;
    if (is_replica || group == MeshGroup::cfg) moved.cfg = other.cfg;
    if (is_branch) moved.pipefusion = other.pipefusion;
    if (is_branch || group == MeshGroup::ring) moved.ring = other.ring;
    if (is_branch || group == MeshGroup::ulysses) moved.ulysses = other.ulysses;
    return moved == other;
  };
  std::vector<int> members;
  int const first = world_rank / shape.ranks_per_replica() * shape.ranks_per_replica();
  for (int rank = first; rank < first + shape.ranks_per_replica(); ++rank) {
    if (is_member(coordinate_of(shape, rank))) members.push_back(rank);
  }
  return members;
}

void check_members(MPI_Comm world, MPI_Comm group, std::vector<int> const& expected) {
  MPI_Group of_world = MPI_GROUP_NULL, of_group = MPI_GROUP_NULL;
  check_mpi(MPI_Comm_group(world, &of_world));
  check_mpi(MPI_Comm_group(group, &of_group));
  std::vector<int> places(static_cast<std::size_t>(size_of(group)));
  std::iota(places.begin(), places.end(), 0);
  std::vector<int> members(places.size());
  check_mpi(
      MPI_Group_translate_ranks(of_group, size_of(group), places.data(), of_world, members.data()));
  MPI_Group_free(&of_group);
  MPI_Group_free(&of_world);
  ensure(members == expected, "all ranks make the same groups in the same order");
}

namespace {

// As MeshComms has them.
constexpr std::array groups_in_order{MeshGroup::replica, MeshGroup::branch, MeshGroup::cfg,
                                     MeshGroup::ring, MeshGroup::ulysses};

// The splits of the world that make_mesh_comms() makes on a rank, in their order: the dimension and
// the colour of each. The key is the rank everywhere.
std::string splits_of(int rank, MeshShape const& shape, PeerAccess peers) {
  std::string text;
  auto const add = [&](MeshGroup group) {
    text += std::to_string(static_cast<int>(group)) + ":" +
            std::to_string(members_of(group, shape, rank).front()) + " ";
  };
  add(MeshGroup::replica);
  std::set<std::vector<int>> known;
  for (MeshGroup const group : groups_in_order) {
    std::vector<int> const members = members_of(group, shape, rank);
    if (known.insert(members).second && members.size() > 1) add(group);
  }
  if (peers == PeerAccess::automatic) add(MeshGroup::branch);
  return text;
}

// MPI compares no splits: ranks that make others, or in another order, would wait for each other
// for ever, or exchange data with the wrong ones. So they are compared before the first.
void require_same_splits(MPI_Comm world, MeshShape const& shape, PeerAccess peers) {
  std::vector<std::string> const all =
      all_gather_strings(world, splits_of(rank_of(world), shape, peers));  // comm: the mesh's ranks
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    ensure(all[rank] == splits_of(static_cast<int>(rank), shape, peers),
           "all ranks split the world in the same groups, in the same order");
  }
}

}  // namespace

MeshComms make_mesh_comms(MPI_Comm world, MeshShape const& shape, c10::Device device,
                          PeerAccess peers) {
  ensure(shape.size() == size_of(world), "the mesh has as many places as the world has ranks");
  int const rank = rank_of(world);
  MeshComms comms;
  comms.shape = shape;
  comms.coordinate = coordinate_of(shape, rank);
  require_same_splits(world, shape, peers);  // comm: the mesh's ranks
  // A group is split off by its first member.
  auto const split_off = [&](MeshGroup group) {
    std::vector<int> const members = members_of(group, shape, rank);
    UniqueMpiComm made = split(world, members.front());  // comm: the mesh's ranks
    check_members(world, made.get(), members);
    return made;
  };
  std::map<std::vector<int>, std::shared_ptr<TensorComm>> known;
  auto const group_for = [&](MeshGroup group) {
    std::vector<int> const members = members_of(group, shape, rank);
    std::shared_ptr<TensorComm>& made = known[members];
    if (made) return made;
    // Whether it is new depends on the shape alone: all ranks make it, or none does.
    if (members.size() == 1)
      made = std::make_shared<SelfTensorComm>();
    else
      made = make_tensor_comm(split_off(group), device);
    comms.groups.push_back(made);
    return made;
  };
  comms.queue = duplicate(world);  // comm: the mesh's ranks
  comms.replica_host = split_off(MeshGroup::replica);
  std::array const groups{&comms.replica, &comms.branch, &comms.cfg, &comms.ring, &comms.ulysses};
  for (std::size_t i = 0; i < groups.size(); ++i) *groups[i] = group_for(groups_in_order[i]);
  // comm: branch
  if (peers == PeerAccess::automatic)
    comms.peers = PeerGroup::make(split_off(MeshGroup::branch), device);
  return comms;
}

void abort_collectives(MeshComms& comms) noexcept {
  if (comms.peers) comms.peers->abort();  // first: it cannot wait for anything
  for (auto const& group : comms.groups) group->abort();
}

}  // namespace ditbatch
