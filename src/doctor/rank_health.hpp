#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// What one rank found out about itself and its link to the next rank: plain data, so that the
/// judgement over all ranks (diagnosis.hpp) is a pure function. A rate of 0 was not measured.
struct RankHealth {
  int rank = 0;
  std::string host;
  std::string device;       // GPU's name, or the processor's
  std::string gpu_uuid;     // empty on CPUs
  std::string versions;     // of the program, its libraries and the driver
  std::string gemm_sha256;  // of a product that every sound device of one kind computes alike
  double gemm_tflops = 0;
  double copy_gb_s = 0;  // between host and device, the slower direction
  int previous = -1;     // the rank that the link leads from
  double link_gb_s = 0;  // from the previous rank
  double folder_s = 0;   // to write, flush, rename and read back a file in the run folder
  double seconds = 0;    // the whole examination
  std::vector<std::string> problems;  // `problem (why) suggestion`, what the rank saw by itself
};

[[nodiscard]] std::string to_message(RankHealth const& health);
[[nodiscard]] RankHealth rank_health_from_message(std::string const& message);

}  // namespace ditbatch
