#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <memory>
#include <vector>

#include "comm/mpi_comm.hpp"
#include "comm/peer_group.hpp"
#include "comm/tensor_comm.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// This rank's communicators, one for each mesh dimension it takes part in.
struct MeshComms {
  MeshShape shape;
  MeshCoordinate coordinate;

  UniqueMpiComm queue;         // the whole world, for the work queue's messages
  UniqueMpiComm replica_host;  // all ranks of the replica, for host messages (records, reports)

  // Dimensions whose groups have the same ranks share one (with ulysses = 4 alone: replica, branch
  // and ulysses). So a rank never has two collectives under way at once, on no two streams: what
  // runs on a SideStream while the current stream has an exchange are products.
  std::shared_ptr<TensorComm> replica;  // all ranks of the replica; rank = place within it
  std::shared_ptr<TensorComm>
      branch;  // ranks of one CFG branch; rank = ring * ulysses degree + ulysses
  std::shared_ptr<TensorComm>
      cfg;  // the ranks at the same place of both branches; 0 is conditional
  std::shared_ptr<TensorComm> ring;     // same ulysses place
  std::shared_ptr<TensorComm> ulysses;  // neighbours
  std::unique_ptr<PeerGroup> peers;     // the branch's ranks, where their GPUs can write to each
                                        // other's memory
  std::vector<std::shared_ptr<TensorComm>> groups;  // what was made for them, each once

  [[nodiscard]] bool is_leader() const { return replica->rank() == 0; }
  [[nodiscard]] bool is_branch_leader() const { return branch->rank() == 0; }
};

/// The group of `comm`'s ranks for tensors on `device`; one of a single rank copies nothing.
/// Collective.
[[nodiscard]] std::unique_ptr<TensorComm> make_tensor_comm(UniqueMpiComm comm, c10::Device device);

enum class PeerAccess { off, automatic };

/// Collective over the world. Every rank makes the same splits in the same order: world, replica,
/// then each group that differs from those before, of replica, branch, cfg, ring, ulysses, then
/// peers. MPI itself does not tell where one rank swaps two of them, so the ranks compare what they
/// are going to split, and each group's members are compared with the mesh: throws Error(internal)
/// on all ranks where they differ.
[[nodiscard]] MeshComms make_mesh_comms(MPI_Comm world, MeshShape const& shape, c10::Device device,
                                        PeerAccess peers = PeerAccess::automatic);

/// A group of `world` that this rank is in, by the ranks' places in the mesh: one for each value of
/// the dimensions that do not vary in it. Plain data, in the order of ranks.
enum class MeshGroup { replica, branch, cfg, ring, ulysses };
[[nodiscard]] std::vector<int> members_of(MeshGroup group, MeshShape const& shape, int world_rank);

/// Throws Error(internal) unless the group is made of these ranks of `world`, in this order.
void check_members(MPI_Comm world, MPI_Comm group, std::vector<int> const& expected);

/// TensorComm::abort of every group, from any thread; the job is lost.
void abort_collectives(MeshComms& comms) noexcept;

}  // namespace ditbatch
