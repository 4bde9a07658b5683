#include "comm/device.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "comm/mpi_comm.hpp"
#include "core/bits_number.hpp"
#include "core/build_info.hpp"
#include "core/error.hpp"
#include "core/host_error.hpp"
#include "core/json_text.hpp"
#if DITBATCH_CUDA
#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include "comm/cuda_device.hpp"
#endif

namespace ditbatch {

using nlohmann::json;

namespace {

constexpr std::uint64_t small_checkpoint_bytes = 2'000'000'000;

std::string hosts_text(std::set<std::string> const& hosts) {
  std::string text;
  for (std::string const& host : hosts) text += (text.empty() ? "" : ", ") + host;
  return text;
}

[[noreturn]] void refuse(std::string const& host, std::string const& message) {
  throw HostError(ExitCode::unhealthy, message, host);
}

// "model name" of the first processor: the kind of hardware that bits are compared within.
std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

// What LibTorch, oneDNN and MKL choose their kernels by, and so what a CPU's bits depend on: the
// instructions that are there and those that the environment allows.
std::string processor_kernels() {
  std::string text = at::get_cpu_capability();
  if (__builtin_cpu_supports("avx512f") != 0) text += " avx512f";
  if (__builtin_cpu_supports("avx512vnni") != 0) text += " avx512vnni";
  if (__builtin_cpu_supports("avx512bf16") != 0) text += " avx512bf16";
  for (char const* variable :
       {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
        "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "MKL_DEBUG_CPU_TYPE"}) {
    char const* const value = std::getenv(variable);
    if (value != nullptr) text += std::string(" ") + variable + "=" + value;
  }
  return text;
}

std::vector<std::string> visible_gpus() {
#if DITBATCH_CUDA
  return cuda_device_uuids();
#else
  return {};
#endif
}

}  // namespace

std::vector<int> choose_devices(std::vector<RankHardware> const& ranks,
                                DeviceRequest const& request) {
  std::set<std::string> with_gpu, without_gpu;
  for (RankHardware const& rank : ranks)
    (rank.gpu_uuids.empty() ? without_gpu : with_gpu).insert(rank.host);

  bool const wants_cpu = request.kind == DeviceKind::cpu;
  bool const none_has_gpu = with_gpu.empty();
  if (request.kind == DeviceKind::cuda && !without_gpu.empty()) {
    refuse(*without_gpu.begin(),
           "no GPU visible on " + hosts_text(without_gpu) +
               " (device is \"cuda\") ask for GPUs: #SBATCH --gpus-per-node=N --ntasks-per-node=N");
  }
  if (request.kind == DeviceKind::automatic && none_has_gpu &&
      (request.under_slurm || request.checkpoint_bytes > small_checkpoint_bytes)) {
    refuse(*without_gpu.begin(),
           "no GPU visible on " + hosts_text(without_gpu) + " (" +
               (request.under_slurm ? "a Slurm job" : "a checkpoint above 2 GB") +
               " would run on CPUs unasked) ask for GPUs with --gpus-per-node, or write [runtime] "
               "device = \"cpu\"");
  }
  if (request.kind == DeviceKind::automatic && !none_has_gpu && !without_gpu.empty()) {
    refuse(*without_gpu.begin(),
           "GPUs on " + hosts_text(with_gpu) + " but none on " + hosts_text(without_gpu) +
               " (all ranks of a job use the same kind of device) leave those nodes out, or ask for"
               " --gpus-per-node on all");
  }
  if (wants_cpu || none_has_gpu) return std::vector<int>(ranks.size(), -1);

  std::vector<int> devices;
  std::map<std::string, std::size_t> owner_of_gpu;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    auto const gpus = static_cast<int>(ranks[rank].gpu_uuids.size());
    int const device = ranks[rank].local_rank % gpus;
    auto const [owner, is_first] =
        owner_of_gpu.emplace(ranks[rank].gpu_uuids[static_cast<std::size_t>(device)], rank);
    if (!is_first && !request.share_gpu) {
      refuse(
          ranks[rank].host,
          "ranks " + std::to_string(ranks[owner->second].rank) + " and " +
              std::to_string(ranks[rank].rank) + " on " + ranks[rank].host +
              " would share the GPU " + owner->first + " (" + std::to_string(gpus) +
              " visible to each) start one rank a GPU: --ntasks-per-node equal to --gpus-per-node, "
              "without"
              " --gpus-per-task; or allow it with [runtime] share_gpu = true");
    }
    devices.push_back(device);
  }
  return devices;
}

bool would_use_gpus(DeviceKind kind) {
  return kind == DeviceKind::cuda || (kind == DeviceKind::automatic && !visible_gpus().empty());
}

RankHardware see_hardware(MpiSession const& session, LookForGpus look) {
  return {session.host(), session.local_rank(),
          look == LookForGpus::yes ? visible_gpus() : std::vector<std::string>{}, session.rank()};
}

std::vector<RankHardware> gather_hardware(MpiSession const& session, RankHardware const& mine) {
  json const message{{"host", mine.host},
                     {"local_rank", mine.local_rank},
                     {"gpus", mine.gpu_uuids},
                     {"rank", mine.rank}};
  std::vector<RankHardware> ranks;
  // comm: all ranks
  for (std::string const& text : all_gather_strings(session.comm(), to_text(message))) {
    json const parsed = json_of(text);
    ranks.push_back(
        {parsed.at("host"), parsed.at("local_rank"), parsed.at("gpus"), parsed.at("rank")});
  }
  return ranks;
}

ChosenDevice use_device(RankHardware const& hardware, int device, DeviceRequest const& request) {
  // One thread a rank: with more, a GEMM splits K over threads and its bits depend on their number.
  at::set_num_threads(1);
  ChosenDevice chosen;
  std::string const torch = std::string("torch ") + build_info::torch_version;
  std::string const bits = ", bits " + std::to_string(bits_number);
  if (device < 0) {
    chosen.name = processor_name();
    chosen.hardware = chosen.name + " (" + processor_kernels() + "), " + torch + bits;
    return chosen;
  }
#if DITBATCH_CUDA
  chosen.device = c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
  chosen.gpu_uuid = hardware.gpu_uuids[static_cast<std::size_t>(device)];
  chosen.driver = gpu_driver_version();
  chosen.name = use_cuda_device(chosen.device, request.share_gpu ? hardware.rank : -1);
  chosen.libraries = cuda_library_versions();
  chosen.hardware = chosen.name + ", " + torch;
  for (LibraryVersion const& library : chosen.libraries)
    chosen.hardware += ", " + library.name + " " + library.version;
  chosen.hardware += bits;
#else
  (void)hardware;
  (void)request;
#endif
  return chosen;
}

ChosenDevice choose_device(MpiSession const& session, DeviceRequest const& request) {
  LookForGpus const look = request.kind == DeviceKind::cpu ? LookForGpus::no : LookForGpus::yes;
  // comm: all ranks
  std::vector<RankHardware> const ranks = gather_hardware(session, see_hardware(session, look));
  auto const rank = static_cast<std::size_t>(session.rank());
  return use_device(ranks[rank], choose_devices(ranks, request)[rank], request);
}

void synchronize(c10::Device device) {
#if DITBATCH_CUDA
  if (device.is_cuda()) check_cuda(cudaDeviceSynchronize());
#else
  ensure(device.is_cpu(), "a build without CUDA has CPU ranks only");
#endif
}

void release_cached_memory(c10::Device device) {
#if DITBATCH_CUDA
  if (!device.is_cuda()) return;
  c10::cuda::CUDACachingAllocator::emptyCache();
  at::getHostAllocator(at::kCUDA)->empty_cache();
#else
  ensure(device.is_cpu(), "a build without CUDA has CPU ranks only");
#endif
}

}  // namespace ditbatch
