#pragma once

#include <c10/core/Device.h>
#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/device_kind.hpp"

namespace ditbatch {

/// What one rank sees of its node.
struct RankHardware {
  std::string host;
  int local_rank = 0;                  // among the ranks of the node
  std::vector<std::string> gpu_uuids;  // visible GPUs
};

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

struct ChosenDevice {
  c10::Device device{c10::kCPU};
  std::string name;      // GPU's name, or the processor's
  std::string gpu_uuid;  // empty on CPUs
  std::string driver;    // the GPU's; empty on CPUs
  std::string
      hardware;  // name, library versions and pinned algorithms: bits are compared within one value
};

/// Collective over the world: what each rank sees, everywhere.
[[nodiscard]] std::vector<RankHardware> see_hardware(MPI_Comm world, bool look_for_gpus);

/// Makes the device current: one of choose_devices() for a rank with this hardware. `shared_as` as
/// for use_cuda_device().
[[nodiscard]] ChosenDevice use_device(RankHardware const& hardware, int device, int shared_as);

/// Collective over the world: gathers what the ranks see, decides, and makes the device current.
[[nodiscard]] ChosenDevice choose_device(MPI_Comm world, DeviceRequest const& request);

/// Waits for what was launched on the device, so that the clock measures work and not launches.
void synchronize(c10::Device device);

}  // namespace ditbatch
