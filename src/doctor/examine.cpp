#include "doctor/examine.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "comm/device.hpp"
#include "comm/mesh_comms.hpp"  // make_tensor_comm
#include "comm/mpi_comm.hpp"
#include "comm/observed_tensor_comm.hpp"
#include "core/build_info.hpp"
#include "core/trace.hpp"
#include "doctor/folder_check.hpp"
#include "doctor/gemm_check.hpp"
#include "doctor/link_check.hpp"
#include "run/fault_point.hpp"
#ifdef DITBATCH_CUDA
#include "doctor/gpu_state.hpp"
#endif

namespace ditbatch {

namespace {

constexpr double gemm_s_gpu = 2, gemm_s_cpu = 0.2;

std::string versions_of(ChosenDevice const& device) {
  std::string text = std::string("ditbatch ") + build_info::version + " " +
                     build_info::git_revision + ", torch " + build_info::torch_version;
  if (!device.driver.empty()) text += ", driver " + device.driver;
  return text;
}

// Leaves those with a GPU; what was rank `me` is now the returned one (if it has a GPU).
std::size_t drop_ranks_without_gpu(std::vector<RankHardware>& hardware, std::size_t me) {
  auto const has_none = [](RankHardware const& rank) { return rank.gpu_uuids.empty(); };
  auto const dropped_before =
      std::count_if(hardware.begin(), hardware.begin() + static_cast<std::ptrdiff_t>(me), has_none);
  std::erase_if(hardware, has_none);
  return me - static_cast<std::size_t>(dropped_before);
}

void check_device(ChosenDevice const& device, bool is_shared, RankHealth& health) {
  bool const on_gpu = device.device.is_cuda();
#ifdef DITBATCH_CUDA
  if (on_gpu) health.problems = gpu_problems(device.gpu_uuid, is_shared);
  if (on_gpu) health.copy_gb_s = host_copy_gb_s(device.device);
#else
  (void)is_shared;
#endif
  GemmCheck const gemm = check_gemm(device.device, on_gpu ? gemm_s_gpu : gemm_s_cpu);
  health.gemm_sha256 = gemm.sha256;
  health.gemm_tflops = gemm.tflops;
  if (gemm.differing > 0) {
    health.problems.push_back(std::to_string(gemm.differing) + " of " +
                              std::to_string(gemm.repetitions) +
                              " equal products differ (the device computes wrongly) leave it out "
                              "and have it replaced");
  }
}

}  // namespace

RankHealth examine_rank(MPI_Comm world, std::string const& host, ExamineRequest const& request,
                        Activity& activity) {
  std::int64_t const begin_ns = now_ns();
  RankHealth health;
  health.rank = rank_of(world);
  health.host = host;
  auto const step = [&](char const* name, auto const& body) {
    activity.enter_phase(name, {}, request.limit_s);
    try {
      fault_point(name, {});
      body();
    } catch (std::exception const& error) {
      health.problems.emplace_back(error.what());
    }
  };
  // The ranks without a problem so far; null on the others. Collective over the world.
  auto const healthy_ranks = [&] {
    activity.enter_call("wait for all ranks");  // who does not come here is the one to name
    UniqueMpiComm comm = split(world, health.problems.empty() ? 0 : 1);
    activity.leave_call();
    return health.problems.empty() ? std::move(comm) : UniqueMpiComm();
  };

  // Who has a GPU where others have one?
  bool const look_for_gpus = request.runtime.device != DeviceKind::cpu;
  std::vector<RankHardware> hardware = see_hardware(world, look_for_gpus);
  bool any_gpu = request.runtime.device == DeviceKind::cuda;
  for (RankHardware const& rank : hardware) any_gpu = any_gpu || !rank.gpu_uuids.empty();
  std::size_t const me = static_cast<std::size_t>(health.rank);
  if (any_gpu && hardware[me].gpu_uuids.empty()) {
    health.problems.push_back("no GPU is visible (the job runs on GPUs) look at nvidia-smi on " +
                              host + ", and at --gpus-per-node");
  }

  // Every device alone.
  std::optional<ChosenDevice> device;
  std::size_t const place = any_gpu ? drop_ranks_without_gpu(hardware, me) : me;
  DeviceRequest const wanted{request.runtime.device, request.runtime.share_gpu, request.under_slurm,
                             0};
  std::vector<int> devices;
  if (!hardware.empty()) devices = choose_devices(hardware, wanted);
  if (health.problems.empty()) {
    step("device", [&] {
      device =
          use_device(hardware[place], devices[place], request.runtime.share_gpu ? health.rank : -1);
      health.device = device->name;
      health.gpu_uuid = device->gpu_uuid;
      health.versions = versions_of(*device);
      check_device(*device, request.runtime.share_gpu, health);
    });
  }

  // The run folder, then the links, among those who are well so far.
  UniqueMpiComm const folder_ranks = healthy_ranks();
  if (folder_ranks.get() != MPI_COMM_NULL && !request.run_dir.empty()) {
    step("folder", [&] {
      FolderCheck const found =
          check_folder(folder_ranks.get(), request.run_dir, request.need_bytes);
      health.folder_s = found.seconds;
      health.problems = found.problems;
    });
  }
  UniqueMpiComm const link_ranks = healthy_ranks();
  if (link_ranks.get() != MPI_COMM_NULL) {
    std::vector<std::string> const world_ranks =
        all_gather_strings(link_ranks.get(), std::to_string(health.rank));
    step("links", [&] {
      ObservedTensorComm group(make_tensor_comm(duplicate(link_ranks.get()), device->device),
                               "healthy", activity);
      LinkCheck const found = check_links(group, link_ranks.get(), device->device);
      health.problems = found.problems;
      health.link_gb_s = found.gb_s;
      if (found.previous >= 0)
        health.previous = std::stoi(world_ranks[static_cast<std::size_t>(found.previous)]);
    });
  }
  health.seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  return health;
}

}  // namespace ditbatch
