#include "comm/mesh_comms.hpp"

#include <utility>

#include "comm/mpi_tensor_comm.hpp"
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

MeshComms make_mesh_comms(MPI_Comm world, MeshShape const& shape, c10::Device device,
                          PeerAccess peers) {
  ensure(shape.size() == size_of(world), "the mesh has as many places as the world has ranks");
  MeshComms comms;
  comms.shape = shape;
  comms.coordinate = coordinate_of(shape, rank_of(world));

  // The color of a dimension's group: this rank's coordinate with that dimension set to its first
  // place.
  auto const first_of = [&](auto const& set_first) {
    MeshCoordinate at = comms.coordinate;
    set_first(at);
    return world_rank_of(shape, at);
  };
  int const replica = comms.coordinate.replica;
  int const branch = first_of([](MeshCoordinate& at) { at.pipefusion = at.ring = at.ulysses = 0; });
  int const cfg = first_of([](MeshCoordinate& at) { at.cfg = 0; });
  int const ring = first_of([](MeshCoordinate& at) { at.ring = 0; });
  int const ulysses = first_of([](MeshCoordinate& at) { at.ulysses = 0; });

  comms.queue = duplicate(world);
  comms.replica_host = split(world, replica);
  comms.replica = make_tensor_comm(split(world, replica), device);
  comms.branch = make_tensor_comm(split(world, branch), device);
  comms.cfg = make_tensor_comm(split(world, cfg), device);
  comms.ring = make_tensor_comm(split(world, ring), device);
  comms.ulysses = make_tensor_comm(split(world, ulysses), device);
  if (peers == PeerAccess::automatic) comms.peers = PeerGroup::make(split(world, branch), device);
  return comms;
}

void abort_collectives(MeshComms& comms) noexcept {
  if (comms.peers) comms.peers->abort();  // first: it cannot wait for anything
  for (TensorComm* group : {comms.replica.get(), comms.branch.get(), comms.cfg.get(),
                            comms.ring.get(), comms.ulysses.get()}) {
    group->abort();
  }
}

}  // namespace ditbatch
