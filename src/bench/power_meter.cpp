#include "bench/power_meter.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/statistics.hpp"
#include "comm/nvml.hpp"
#include "core/trace.hpp"

namespace ditbatch {

namespace {

constexpr auto period = std::chrono::milliseconds(50);

}  // namespace

class PowerMeter::Sampler {
 public:
  explicit Sampler(std::string const& gpu_uuid)
      : device_(nvml_.find(gpu_uuid)), begin_ns_(now_ns()), begin_energy_mj_(energy_mj()) {
    if (device_ != nullptr) thread_ = std::thread([this] { sample_until_stopped(); });
  }
  ~Sampler() { end(); }

  std::optional<PowerReading> stop() {
    end();
    if (power_w_.empty() || clock_mhz_.empty()) return std::nullopt;
    PowerReading reading;
    reading.seconds = static_cast<double>(now_ns() - begin_ns_) * 1e-9;
    reading.samples = static_cast<std::int64_t>(power_w_.size());
    reading.clock_mhz = median_of(clock_mhz_);
    reading.power_w = median_of(power_w_);
    if (!temperature_c_.empty()) reading.temperature_c = median_of(temperature_c_);
    reading.energy_j = static_cast<double>(energy_mj() - begin_energy_mj_) * 1e-3;
    reading.power_limited_share =
        static_cast<double>(power_limited_) / static_cast<double>(power_w_.size());
    return reading;
  }

 private:
  void end() {
    {
      std::scoped_lock const lock(mutex_);
      is_stopped_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void sample_until_stopped() {
    std::unique_lock lock(mutex_);
    while (!is_stopped_) {
      sample();
      wake_.wait_for(lock, period, [this] { return is_stopped_; });
    }
  }

  void sample() {
    constexpr int sm_clock = 1, gpu_sensor = 0;
    constexpr unsigned long long software_power_cap = 0x4;
    using Number = int(Nvml::Device, unsigned*);
    using Selected = int(Nvml::Device, int, unsigned*);
    using Mask = int(Nvml::Device, unsigned long long*);
    unsigned value = 0;
    unsigned long long reasons = 0;
    if (auto const ask = nvml_.function<Selected>("nvmlDeviceGetClockInfo");
        ask != nullptr && ask(device_, sm_clock, &value) == 0) {
      clock_mhz_.push_back(value);
    }
    if (auto const ask = nvml_.function<Number>("nvmlDeviceGetPowerUsage");
        ask != nullptr && ask(device_, &value) == 0) {
      power_w_.push_back(value * 1e-3);
    }
    if (auto const ask = nvml_.function<Selected>("nvmlDeviceGetTemperature");
        ask != nullptr && ask(device_, gpu_sensor, &value) == 0) {
      temperature_c_.push_back(value);
    }
    if (auto const ask = nvml_.function<Mask>("nvmlDeviceGetCurrentClocksThrottleReasons");
        ask != nullptr && ask(device_, &reasons) == 0 && (reasons & software_power_cap) != 0) {
      power_limited_ += 1;
    }
  }

  // Since the driver was loaded; 0 where it does not count.
  [[nodiscard]] unsigned long long energy_mj() const {
    auto const ask = nvml_.function<int(Nvml::Device, unsigned long long*)>(
        "nvmlDeviceGetTotalEnergyConsumption");
    unsigned long long energy = 0;
    if (device_ == nullptr || ask == nullptr || ask(device_, &energy) != 0) return 0;
    return energy;
  }

  Nvml nvml_;
  Nvml::Device device_;
  std::int64_t begin_ns_;
  unsigned long long begin_energy_mj_;
  std::vector<double> clock_mhz_, power_w_, temperature_c_;
  std::int64_t power_limited_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_stopped_ = false;
  std::thread thread_;
};

PowerMeter::PowerMeter(std::string const& gpu_uuid) {
  if (!gpu_uuid.empty()) sampler_ = std::make_unique<Sampler>(gpu_uuid);
}

PowerMeter::~PowerMeter() = default;

std::optional<PowerReading> PowerMeter::stop() {
  return sampler_ ? sampler_->stop() : std::nullopt;
}

}  // namespace ditbatch
