#include "families/component_loader.hpp"

#include <mpi.h>

#include <utility>

#include "comm/device.hpp"
#include "core/error.hpp"
#include "core/trace.hpp"
#include "families/dtype.hpp"
#include "weights/load_weights.hpp"
#include "weights/parameters.hpp"

namespace ditbatch {

namespace {

constexpr std::uint64_t random_weights_seed = 0;

// Ranks that saw other headers would wait for other messages, and files of other contents would
// give every rank a patchwork.
void check_alike(Checkpoint const& checkpoint, MPI_Comm world) {
  // comm: all ranks
  std::vector<std::string> const ids = all_gather_strings(world, to_hex(checkpoint.id));
  for (std::size_t rank = 0; rank < ids.size(); ++rank) {
    require(ids[rank] == ids.front(), ExitCode::bad_input,
            checkpoint.folder + ": rank " + std::to_string(rank) +
                " sees another checkpoint than rank 0 (its node has a copy of its own, or the "
                "files just changed) let all nodes see the same files, and start again");
  }
}

}  // namespace

ComponentLoader::ComponentLoader(Checkpoint const& checkpoint, ModelConfig const& model,
                                 MeshComms& comms, c10::Device device)
    : checkpoint_(checkpoint), model_(model), comms_(comms), device_(device), begin_ns_(now_ns()) {
  check_alike(checkpoint, comms.queue.get());
  if (!model.random_weights) make_groups();
  begin_ns_ = now_ns();
}

c10::ScalarType ComponentLoader::dtype() const { return scalar_type_of(model_.dtype); }

// Every rank of the world comes here and makes the same splits in the same order; a rank that left
// one out would leave the others waiting in it. With one replica the mesh has both groups already.
void ComponentLoader::make_groups() {
  if (comms_.shape.replicas == 1) {
    world_ = comms_.replica.get();
    if (comms_.is_branch_leader()) leaders_ = comms_.cfg.get();
    return;
  }
  // comm: all ranks
  made_.push_back(make_tensor_comm(duplicate(comms_.queue.get()), device_));
  world_ = made_.back().get();
  // comm: all ranks
  UniqueMpiComm leaders = split(comms_.queue.get(), comms_.is_branch_leader() ? 0 : 1);
  if (!comms_.is_branch_leader()) return;  // the others' half of the split is of no use
  made_.push_back(make_tensor_comm(std::move(leaders), device_));
  leaders_ = made_.back().get();
}

std::unique_ptr<WeightSource> ComponentLoader::weights(char const* name,
                                                       std::vector<ParameterSpec> const& wanted,
                                                       TensorComm* group) {
  if (model_.random_weights) return random_weights(random_weights_seed, dtype(), device_);
  ensure(group != nullptr, "only ranks that need a component load it");
  LoadedWeights loaded =
      load_weights(checkpoint_.component(name), wanted, dtype(), device_, *group);
  bytes_read_ += loaded.bytes_read;
  return std::move(loaded.source);
}

LoadReport ComponentLoader::finish() {
  synchronize(device_);
  // Staging buffers, and layers that were joined into others.
  release_cached_memory(device_);
  double const own_s = static_cast<double>(now_ns() - begin_ns_) * 1e-9;
  LoadReport report;
  // comm: all ranks
  check_mpi(MPI_Allreduce(&bytes_read_, &report.weights_bytes, 1, MPI_UINT64_T, MPI_SUM,
                          comms_.queue.get()));
  // comm: all ranks
  check_mpi(MPI_Allreduce(&own_s, &report.load_s, 1, MPI_DOUBLE, MPI_MAX, comms_.queue.get()));
  return report;
}

}  // namespace ditbatch
