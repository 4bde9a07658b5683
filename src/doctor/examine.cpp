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

// The steps of one rank's examination, in the order of their collectives: every rank comes to
// each, also one that is found unhealthy on the way.
class Examination {
 public:
  Examination(MpiSession const& session, ExamineRequest const& request, Activity& activity)
      : session_(session), request_(request), activity_(activity) {
    health.rank = session.rank();
    health.local_rank = session.local_rank();
    health.host = session.host();
    health.program = build_info::version;
    health.program += std::string(" (") + build_info::git_revision + ")";
  }

  void look_at_hardware();
  void look_at_device();
  void look_at_folder();
  void look_at_links();
  void finish() {
    if (device_) release_cached_memory(device_->device);
  }

  RankHealth health;

 private:
  template <class Body>
  void step(char const* name, Body const& body) {
    activity_.enter_phase(name, {}, request_.limit_s);
    try {
      fault_point(name, {});
      body();
    } catch (std::exception const& error) {
      health.problems.emplace_back(error.what());
      // Should the others wait for this rank in vain, then this is why.
      log_warning(health.host + ": " + name + ": " + error.what());
    }
  }
  // Who does not come here while others do is the one that the watchdog names.
  template <class Collective>
  auto meet(Collective const& collective) {
    activity_.enter_phase("wait", {}, request_.limit_s);
    HostCall const call(activity_, "world wait");
    return collective();
  }
  // The ranks without a problem so far; null on the others.
  UniqueMpiComm healthy_ranks() {
    bool const is_healthy = health.problems.empty();
    UniqueMpiComm comm =
        meet([&] { return split(session_.comm(), is_healthy ? 0 : 1); });  // comm: all ranks
    return is_healthy ? std::move(comm) : UniqueMpiComm();
  }

  MpiSession const& session_;
  ExamineRequest const& request_;
  Activity& activity_;
  std::vector<RankHardware> hardware_;  // of the ranks with a GPU, if any has one
  std::size_t place_ = 0;               // of this rank among them
  DeviceRequest wanted_;
  std::optional<ChosenDevice> device_;
};

// Who has a GPU where others have one?
void Examination::look_at_hardware() {
  RankHardware mine{session_.host(), session_.local_rank(), {}, session_.rank()};
  RuntimeConfig const& runtime = request_.runtime;
  bool const look_for_gpus = runtime.device != DeviceKind::cpu;
  step("hardware",
       [&] { mine = see_hardware(session_, look_for_gpus ? LookForGpus::yes : LookForGpus::no); });
  hardware_ = meet([&] { return gather_hardware(session_, mine); });  // comm: all ranks
  bool any_gpu = runtime.device == DeviceKind::cuda;
  for (RankHardware const& rank : hardware_) any_gpu = any_gpu || !rank.gpu_uuids.empty();
  auto const me = static_cast<std::size_t>(session_.rank());
  if (any_gpu && mine.gpu_uuids.empty() && health.problems.empty()) {
    health.problems.push_back("no GPU is visible (the job runs on GPUs) look at nvidia-smi on " +
                              health.host + ", and at --gpus-per-node");
  }
  place_ = any_gpu ? drop_ranks_without_gpu(hardware_, me) : me;
  wanted_ = {runtime.device, runtime.share_gpu, request_.under_slurm, 0};
  activity_.enter_phase("wait", {}, request_.limit_s);
  auto const choose = [&] {  // a refusal concerns all, and is told once
    if (!hardware_.empty()) (void)choose_devices(hardware_, wanted_);
  };
  on_first_rank(session_, choose, &activity_);  // comm: all ranks
}

// Every device alone.
void Examination::look_at_device() {
  if (!health.problems.empty()) return;
  step("device", [&] {
    device_ = use_device(hardware_[place_], choose_devices(hardware_, wanted_)[place_], wanted_);
    health.device = device_->name;
    health.gpu_uuid = device_->gpu_uuid;
    health.driver = device_->driver;
    health.hardware = device_->hardware;
    check_device(*device_, request_.runtime, health);
  });
}

void Examination::look_at_folder() {
  UniqueMpiComm const ranks = healthy_ranks();
  if (ranks.get() == MPI_COMM_NULL || request_.run_dir.empty()) return;
  step("folder", [&] {
    FolderCheck found = check_folder(ranks.get(), request_.run_dir, request_.need_bytes);
    health.folder_s = found.seconds;
    health.folder_sees = std::move(found.sees);
    health.problems = std::move(found.problems);
  });
}

void Examination::look_at_links() {
  UniqueMpiComm const ranks = healthy_ranks();
  if (ranks.get() == MPI_COMM_NULL) return;
  std::vector<int> job_rank;  // of each rank of the group
  for (std::string const& text :
       all_gather_strings(ranks.get(), std::to_string(health.rank)))  // comm: healthy ranks
    job_rank.push_back(std::stoi(text));
  auto const in_job = [&](int rank) { return job_rank[static_cast<std::size_t>(rank)]; };
  step("links", [&] {
    ObservedTensorComm group(
        make_tensor_comm(duplicate(ranks.get()), device_->device),  // comm: healthy ranks
        "healthy", make_call_observer(activity_, device_->device));
    LinkCheck const found = check_links(group, ranks.get(), device_->device);
    health.link_gb_s = found.gb_s;
    if (found.previous >= 0) health.previous = in_job(found.previous);
    for (int rank : found.exchanged) health.exchanged.push_back(in_job(rank));
    for (int rank : found.wrong_from) health.wrong_from.push_back(in_job(rank));
  });
}

}  // namespace

RankHealth examine_rank(MpiSession const& session, ExamineRequest const& request,
                        Activity& activity) {
  std::int64_t const begin_ns = now_ns();
  Examination examination(session, request, activity);
  examination.look_at_hardware();
  examination.look_at_device();
  // The run folder, then the links, among those who are well so far.
  examination.look_at_folder();
  examination.look_at_links();
  examination.finish();
  examination.health.seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  return std::move(examination.health);
}

}  // namespace ditbatch
