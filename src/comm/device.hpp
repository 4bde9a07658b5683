#pragma once

#include <c10/core/Device.h>
#include <cstdint>
#include <string>
#include <vector>

#include "comm/mpi_session.hpp"
#include "core/device_kind.hpp"

namespace ditbatch {

/// What one rank sees of its node.
struct RankHardware {
  std::string host;
  int local_rank = 0;                  // among the ranks that the launcher started on the node
  std::vector<std::string> gpu_uuids;  // visible GPUs
  int rank = 0;
};
/// Whether ranks here would compute on GPUs. Throws Error(unhealthy) where a GPU that the driver
/// lists cannot be asked.
[[nodiscard]] bool would_use_gpus(DeviceKind kind);
enum class LookForGpus { no, yes };
/// Of this rank. Throws Error(unhealthy) where a GPU that the driver lists cannot be asked.
[[nodiscard]] RankHardware see_hardware(MpiSession const& session, LookForGpus look);
/// Collective over the job's ranks: everybody's, everywhere.
[[nodiscard]] std::vector<RankHardware> gather_hardware(MpiSession const& session,
                                                        RankHardware const& mine);

struct DeviceRequest {
  DeviceKind kind = DeviceKind::automatic;
  bool share_gpu = false;
  bool under_slurm = false;
  std::uint64_t checkpoint_bytes = 0;
};

/// The device of every rank: an index into its gpu_uuids, or -1 for the CPU. Decided once for the
/// whole world, from plain data. Throws Error(unhealthy) that names nodes and the missing flag
/// where ranks with and without a GPU are mixed, two ranks would share a GPU unasked, or a big job
/// would silently run on CPUs.
[[nodiscard]] std::vector<int> choose_devices(std::vector<RankHardware> const& ranks,
                                              DeviceRequest const& request);

struct LibraryVersion {
  std::string name, version;
};

struct ChosenDevice {
  c10::Device device{c10::kCPU};
  std::string name;                       // GPU's name, or the processor's
  std::string gpu_uuid;                   // empty on CPUs
  std::string driver;                     // the GPU's; empty on CPUs
  std::vector<LibraryVersion> libraries;  // of the GPU
  std::string
      hardware;  // name, library versions and pinned algorithms: bits are compared within one value
};

/// Makes the device current: the one that choose_devices() gave a rank with this hardware for this
/// request.
[[nodiscard]] ChosenDevice use_device(RankHardware const& hardware, int device,
                                      DeviceRequest const& request);

/// Collective over the job's ranks: gathers what they see, decides, and makes the device current.
[[nodiscard]] ChosenDevice choose_device(MpiSession const& session, DeviceRequest const& request);

/// Waits for what was launched on the device, so that the clock measures work and not launches.
void synchronize(c10::Device device);

/// Gives the memory that this process only keeps for later back: the GPU's, and the host's pinned
/// pages. On CPUs nothing is kept.
void release_cached_memory(c10::Device device);

}  // namespace ditbatch
