#include "doctor/gpu_state.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

#include "comm/cuda_device.hpp"
#include "comm/nvml.hpp"
#include "doctor/xid.hpp"

namespace ditbatch {

namespace {

constexpr double least_free_share = 0.85;
constexpr double day_s = 86400;

void add_nvml_problems(std::string const& gpu_uuid, std::vector<std::string>& problems) {
  Nvml const nvml;
  Nvml::Device const device = nvml.find(gpu_uuid);
  if (device == nullptr) return;

  constexpr int uncorrected = 1, since_driver_load = 0;
  auto const ecc_errors = nvml.function<int(Nvml::Device, int, int, unsigned long long*)>(
      "nvmlDeviceGetTotalEccErrors");
  unsigned long long errors = 0;
  if (ecc_errors != nullptr && ecc_errors(device, uncorrected, since_driver_load, &errors) == 0 &&
      errors > 0) {
    problems.push_back(std::to_string(errors) +
                       " uncorrected ECC errors (since the driver was loaded) have the GPU reset");
  }

  auto const remapped_rows =
      nvml.function<int(Nvml::Device, unsigned*, unsigned*, unsigned*, unsigned*)>(
          "nvmlDeviceGetRemappedRows");
  unsigned corrected_rows = 0, uncorrected_rows = 0, is_pending = 0, has_failed = 0;
  if (remapped_rows != nullptr &&
      remapped_rows(device, &corrected_rows, &uncorrected_rows, &is_pending, &has_failed) == 0) {
    if (has_failed != 0)
      problems.emplace_back(
          "a row of its memory could not be remapped (no spare) have it replaced");
    if (is_pending != 0)
      problems.emplace_back("a row of its memory waits to be remapped (ECC) have the GPU reset");
  }

  constexpr unsigned long long hw_slowdown = 0x8, hw_thermal = 0x40, hw_power_brake = 0x80;
  auto const clock_reasons = nvml.function<int(Nvml::Device, unsigned long long*)>(
      "nvmlDeviceGetCurrentClocksThrottleReasons");
  unsigned long long reasons = 0;
  if (clock_reasons != nullptr && clock_reasons(device, &reasons) == 0 &&
      (reasons & (hw_slowdown | hw_thermal | hw_power_brake)) != 0) {
    problems.emplace_back(
        "its clock is held down by hardware (heat or power brake) look at nvidia-smi -q -d "
        "PERFORMANCE on its node");
  }
}

void add_xids(std::vector<std::string>& problems) {
  int device = 0;
  std::array<char, 32> bus_id{};  // "0000:1B:00.0"
  check_cuda(cudaGetDevice(&device));
  check_cuda(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), device));
  std::string bus(bus_id.data());
  bus = bus.substr(0, bus.rfind('.'));
  std::transform(bus.begin(), bus.end(), bus.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  double uptime_s = 0;
  std::ifstream("/proc/uptime") >> uptime_s;
  for (Xid const& xid : hardware_xids(read_kernel_log(), bus, uptime_s)) {
    if (xid.age_s < day_s)
      problems.push_back("Xid " + std::to_string(xid.number) + " " +
                         std::to_string(static_cast<int>(xid.age_s / 60)) + " minutes ago (" +
                         xid.text + ") have the GPU reset; this line stays for a day");
  }
}

}  // namespace

std::vector<std::string> gpu_problems(std::string const& gpu_uuid) {
  std::vector<std::string> problems;
  add_nvml_problems(gpu_uuid, problems);
  add_xids(problems);
  return problems;
}

std::vector<std::string> taken_memory() {
  std::size_t free_bytes = 0, total_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &total_bytes));
  if (static_cast<double>(free_bytes) >= least_free_share * static_cast<double>(total_bytes))
    return {};
  return {std::to_string((total_bytes - free_bytes) >> 20U) + " of " +
          std::to_string(total_bytes >> 20U) +
          " MiB are in use (another process) end it, or allow sharing with [runtime] share_gpu = "
          "true"};
}

}  // namespace ditbatch
