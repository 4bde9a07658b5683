#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace ditbatch {

/// What a GPU did over a stretch of time, as its driver tells.
struct PowerReading {
  double seconds = 0;
  std::int64_t samples = 0;
  double clock_mhz = 0;  // of the multiprocessors; medians of the samples
  double power_w = 0;
  double temperature_c = 0;
  double energy_j = 0;             // of the whole stretch, by the GPU's own counter
  double power_limited_share = 0;  // of the samples: the power limit held the clock down
};

/// Asks the driver for clock, power and temperature every 50 ms, on a thread of its own, from its
/// construction until stop(). No reading without a GPU or its driver.
class PowerMeter {
 public:
  /// gpu_uuid: empty on CPU ranks.
  explicit PowerMeter(std::string const& gpu_uuid);
  PowerMeter(PowerMeter const&) = delete;
  PowerMeter& operator=(PowerMeter const&) = delete;
  ~PowerMeter();

  [[nodiscard]] std::optional<PowerReading> stop();

 private:
  class Sampler;
  std::unique_ptr<Sampler> sampler_;  // null: nothing to ask
};

}  // namespace ditbatch
