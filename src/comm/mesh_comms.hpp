#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <memory>

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

  std::unique_ptr<TensorComm> replica;  // all ranks of the replica; rank = place within it
  std::unique_ptr<TensorComm>
      branch;  // ranks of one CFG branch; rank = ring * ulysses degree + ulysses
  std::unique_ptr<TensorComm>
      cfg;  // the ranks at the same place of both branches; 0 is conditional
  std::unique_ptr<TensorComm> ring;     // same ulysses place
  std::unique_ptr<TensorComm> ulysses;  // neighbours
  std::unique_ptr<PeerGroup> peers;     // the branch's ranks, where their GPUs can write to each
                                        // other's memory

  [[nodiscard]] bool is_leader() const { return replica->rank() == 0; }
  [[nodiscard]] bool is_branch_leader() const { return branch->rank() == 0; }
};

/// The group of `comm`'s ranks for tensors on `device`; one of a single rank copies nothing.
/// Collective.
[[nodiscard]] std::unique_ptr<TensorComm> make_tensor_comm(UniqueMpiComm comm, c10::Device device);

enum class PeerAccess { off, automatic };

/// Collective over the world. Every rank makes the same splits in the same order: world, replica,
/// branch, cfg, ring, ulysses, peers; another order on one rank would deadlock.
[[nodiscard]] MeshComms make_mesh_comms(MPI_Comm world, MeshShape const& shape, c10::Device device,
                                        PeerAccess peers = PeerAccess::automatic);

/// TensorComm::abort of every group, from any thread; the job is lost.
void abort_collectives(MeshComms& comms) noexcept;

}  // namespace ditbatch
