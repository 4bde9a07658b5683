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
#include "core/log.hpp"
#include "core/trace.hpp"
#include "doctor/folder_check.hpp"
#include "doctor/gemm_check.hpp"
#include "doctor/link_check.hpp"
#include "supervise/fault_point.hpp"
#include "supervise/verdict.hpp"
#if DITBATCH_CUDA
#include "doctor/gpu_state.hpp"
#endif

namespace ditbatch {

namespace {

constexpr double gemm_s_gpu = 2, gemm_s_cpu = 0.2;

// Leaves those with a GPU; what was rank `me` is now the returned one (if it has a GPU).
std::size_t drop_ranks_without_gpu(std::vector<RankHardware>& hardware, std::size_t me) {
  auto const has_none = [](RankHardware const& rank) { return rank.gpu_uuids.empty(); };
  auto const dropped_before =
      std::count_if(hardware.begin(), hardware.begin() + static_cast<std::ptrdiff_t>(me), has_none);
  std::erase_if(hardware, has_none);
  return me - static_cast<std::size_t>(dropped_before);
}

void check_device(ChosenDevice const& device, RuntimeConfig const& runtime, RankHealth& health) {
  bool const on_gpu = device.device.is_cuda();
#if DITBATCH_CUDA
  if (on_gpu && !runtime.share_gpu) health.problems = taken_memory();
  if (on_gpu) health.copy_gb_s = host_copy_gb_s(device.device);
#else
  (void)runtime;
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
#if DITBATCH_CUDA
  for (std::string& problem : on_gpu ? gpu_problems(device.gpu_uuid) : std::vector<std::string>{})
    health.problems.push_back(std::move(problem));
#endif
}

}  // namespace

RankHealth examine_rank(MpiSession const& session, ExamineRequest const& request,
                        Activity& activity) {
  std::int64_t const begin_ns = now_ns();
  RankHealth health;
  health.rank = session.rank();
  health.local_rank = session.local_rank();
  health.host = session.host();
  health.program = build_info::version;
  health.program += std::string(" (") + build_info::git_revision + ")";
  auto const step = [&](char const* name, auto const& body) {
    activity.enter_phase(name, {}, request.limit_s);
    try {
      fault_point(name, {});
      body();
    } catch (std::exception const& error) {
      health.problems.emplace_back(error.what());
      // Should the others wait for this rank in vain, then this is why.
      log_warning(health.host + ": " + name + ": " + error.what());
    }
  };
  // Who does not come here while others do is the one that the watchdog names.
  auto const meet = [&](auto const& collective) {
    activity.enter_phase("wait", {}, request.limit_s);
    activity.enter_call("wait for all ranks");
    auto result = collective();
    activity.leave_call();
    return result;
  };
  // The ranks without a problem so far; null on the others.
  auto const healthy_ranks = [&] {
    bool const is_healthy = health.problems.empty();
    UniqueMpiComm comm = meet([&] { return split(session.comm(), is_healthy ? 0 : 1); });
    return is_healthy ? std::move(comm) : UniqueMpiComm();
  };

  // Who has a GPU where others have one?
  RankHardware mine{session.host(), session.local_rank(), {}, session.rank()};
  bool const look_for_gpus = request.runtime.device != DeviceKind::cpu;
  step("hardware",
       [&] { mine = see_hardware(session, look_for_gpus ? LookForGpus::yes : LookForGpus::no); });
  std::vector<RankHardware> hardware = meet([&] { return gather_hardware(session, mine); });
  bool any_gpu = request.runtime.device == DeviceKind::cuda;
  for (RankHardware const& rank : hardware) any_gpu = any_gpu || !rank.gpu_uuids.empty();
  auto const me = static_cast<std::size_t>(session.rank());
  if (any_gpu && mine.gpu_uuids.empty() && health.problems.empty()) {
    health.problems.push_back("no GPU is visible (the job runs on GPUs) look at nvidia-smi on " +
                              health.host + ", and at --gpus-per-node");
  }
  std::size_t const place = any_gpu ? drop_ranks_without_gpu(hardware, me) : me;
  DeviceRequest const wanted{request.runtime.device, request.runtime.share_gpu, request.under_slurm,
                             0};
  (void)meet([&] {  // a refusal concerns all, and is told once
    return on_first_rank(session, [&] {
      if (!hardware.empty()) (void)choose_devices(hardware, wanted);
      return std::string();
    });
  });

  // Every device alone.
  std::optional<ChosenDevice> device;
  if (health.problems.empty()) {
    step("device", [&] {
      device = use_device(hardware[place], choose_devices(hardware, wanted)[place], wanted);
      health.device = device->name;
      health.gpu_uuid = device->gpu_uuid;
      health.driver = device->driver;
      health.hardware = device->hardware;
      check_device(*device, request.runtime, health);
    });
  }

  // The run folder, then the links, among those who are well so far.
  UniqueMpiComm const folder_ranks = healthy_ranks();
  if (folder_ranks.get() != MPI_COMM_NULL && !request.run_dir.empty()) {
    step("folder", [&] {
      FolderCheck found = check_folder(folder_ranks.get(), request.run_dir, request.need_bytes);
      health.folder_s = found.seconds;
      health.folder_sees = std::move(found.sees);
      health.problems = std::move(found.problems);
    });
  }
  UniqueMpiComm const link_ranks = healthy_ranks();
  if (link_ranks.get() != MPI_COMM_NULL) {
    std::vector<int> job_rank;  // of each rank of the group
    for (std::string const& text :
         all_gather_strings(link_ranks.get(), std::to_string(health.rank)))
      job_rank.push_back(std::stoi(text));
    auto const in_job = [&](int rank) { return job_rank[static_cast<std::size_t>(rank)]; };
    step("links", [&] {
      ObservedTensorComm group(make_tensor_comm(duplicate(link_ranks.get()), device->device),
                               "healthy", make_call_observer(activity, device->device));
      LinkCheck const found = check_links(group, link_ranks.get(), device->device);
      health.link_gb_s = found.gb_s;
      if (found.previous >= 0) health.previous = in_job(found.previous);
      for (int rank : found.exchanged) health.exchanged.push_back(in_job(rank));
      for (int rank : found.wrong_from) health.wrong_from.push_back(in_job(rank));
    });
  }
  if (device) release_cached_memory(device->device);
  health.seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  return health;
}

}  // namespace ditbatch
