#include "comm/mesh_comms.hpp"

#include <map>
#include <numeric>
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

MeshComms make_mesh_comms(MPI_Comm world, MeshShape const& shape, c10::Device device,
                          PeerAccess peers) {
  ensure(shape.size() == size_of(world), "the mesh has as many places as the world has ranks");
  int const rank = rank_of(world);
  MeshComms comms;
  comms.shape = shape;
  comms.coordinate = coordinate_of(shape, rank);
  std::string order;  // of the splits, which MPI does not compare
  // A group is split off by its first member.
  auto const split_off = [&](MeshGroup group) {
    std::vector<int> const members = members_of(group, shape, rank);
    order += std::to_string(static_cast<int>(group)) + " ";
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
  comms.replica = group_for(MeshGroup::replica);
  comms.branch = group_for(MeshGroup::branch);
  comms.cfg = group_for(MeshGroup::cfg);
  comms.ring = group_for(MeshGroup::ring);
  comms.ulysses = group_for(MeshGroup::ulysses);
  // comm: branch
  if (peers == PeerAccess::automatic)
    comms.peers = PeerGroup::make(split_off(MeshGroup::branch), device);
  for (std::string const& other : all_gather_strings(world, order))  // comm: the mesh's ranks
    ensure(other == order, "all ranks split the world in the same order");
  return comms;
}

void abort_collectives(MeshComms& comms) noexcept {
  if (comms.peers) comms.peers->abort();  // first: it cannot wait for anything
  for (auto const& group : comms.groups) group->abort();
}

}  // namespace ditbatch
