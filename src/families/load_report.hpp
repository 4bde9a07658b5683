#pragma once

#include <cstdint>

namespace ditbatch {

/// What loading cost the job.
struct LoadReport {
  std::uint64_t weights_bytes = 0;  // read from files, over all ranks; none of random weights
  double load_s = 0;                // from the first read to the last tensor, on the slowest rank
  [[nodiscard]] double gb_per_s() const {
    return load_s > 0 ? static_cast<double>(weights_bytes) * 1e-9 / load_s : 0;
  }
};

}  // namespace ditbatch
