#include "comm/cuda_device.hpp"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAFunctions.h>
#include <nccl.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>

#include "core/error.hpp"

namespace ditbatch {

void check_cuda(cudaError_t code, std::source_location where) {
  if (code == cudaSuccess) return;
  throw Error(ExitCode::unhealthy, std::string("CUDA failed: ") + cudaGetErrorString(code) + " (" +
                                       where.file_name() + ":" + std::to_string(where.line()) +
                                       ") look at nvidia-smi on this node");
}

void make_wait(c10::cuda::CUDAStream const& later, c10::cuda::CUDAStream const& earlier) {
  at::cuda::CUDAEvent event;
  event.record(earlier);
  event.block(later);
}

std::vector<std::string> cuda_device_uuids() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    (void)cudaGetLastError();  // no driver is not an error here
    return {};
  }
  std::vector<std::string> uuids;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, device));
    std::string uuid = "GPU-";
    for (int i = 0; i < 16; ++i) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x",
                    static_cast<unsigned char>(properties.uuid.bytes[i]));
      uuid += digits;
      if (i == 3 || i == 5 || i == 7 || i == 9) uuid += "-";
    }
    uuids.push_back(uuid);
  }
  return uuids;
}

std::string use_cuda_device(c10::Device device, int shared_as) {
  if (shared_as >= 0) {
    // NCCL refuses two ranks on one GPU of one host; as hosts of their own they talk over sockets.
    ::setenv("NCCL_HOSTID", ("ditbatch-" + std::to_string(shared_as)).c_str(), 1);
    ::setenv("NCCL_SOCKET_IFNAME", "lo", 0);
  }
  c10::cuda::set_device(device.index());
  auto& context = at::globalContext();
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device.index()));
  return properties.name;
}

std::string gpu_driver_version() {
  std::ifstream module(
      "/proc/driver/nvidia/version");  // "NVRM version: ... x86_64  580.159.04 ..."
  std::string line;
  std::getline(module, line);
  std::smatch found;
  if (std::regex_search(line, found, std::regex(R"(\b\d+\.\d+(\.\d+)?\b)"))) return found.str();
  int supported = 0;
  check_cuda(cudaDriverGetVersion(&supported));
  return "for CUDA " + std::to_string(supported / 1000) + "." +
         std::to_string(supported % 1000 / 10);
}

std::vector<LibraryVersion> cuda_library_versions() {
  int runtime = 0;
  int nccl = 0;
  check_cuda(cudaRuntimeGetVersion(&runtime));
  (void)ncclGetVersion(&nccl);
  return {{"CUDA", std::to_string(runtime / 1000) + "." + std::to_string(runtime % 1000 / 10)},
          {"cuDNN", std::to_string(at::detail::getCUDAHooks().versionCuDNN())},
          {"NCCL", std::to_string(nccl)}};
}

}  // namespace ditbatch
