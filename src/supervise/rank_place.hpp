#pragma once

#include <string>

namespace ditbatch {

/// What one rank tells about where it runs.
struct RankPlace {
  int rank = 0;
  int replica = 0;
  std::string host;
  std::string device;    // "cpu" or the GPU's name
  std::string gpu_uuid;  // empty on CPUs
  std::string driver;    // the GPU's; empty on CPUs
};
[[nodiscard]] std::string to_message(RankPlace const& place);
[[nodiscard]] RankPlace rank_place_from_message(std::string const& message);

}  // namespace ditbatch
