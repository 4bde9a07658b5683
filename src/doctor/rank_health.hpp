#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// What one rank found out about itself and its link to the next rank: plain data, so that the
/// judgement over all ranks (diagnosis.hpp) is a pure function. A rate of 0 was not measured; an
/// empty text is not known.
struct RankHealth {
  int rank = 0;
  int local_rank = 0;
  std::string host;
  std::string device = "no device";  // GPU's name, or the processor's
  std::string gpu_uuid;              // empty on CPUs
  std::string driver;                // the GPU's
  std::string program;               // version and revision
  std::string hardware;              // device and libraries: bits are compared within one value
  std::string gemm_sha256;           // of a product that all sound devices of a kind compute alike
  double gemm_tflops = 0;
  double copy_gb_s = 0;               // between host and device, the slower direction
  int previous = -1;                  // the rank that the link leads from
  double link_gb_s = 0;               // from there
  std::vector<int> exchanged;         // ranks that this one received known values from
  std::vector<int> wrong_from;        // those of them whose values came changed
  std::string folder_sees;            // whose files it finds in the run folder
  double folder_s = 0;                // to write, flush, rename and read back a file there
  double seconds = 0;                 // the whole examination
  std::vector<std::string> problems;  // `problem (why) suggestion`, what the rank saw by itself
};

[[nodiscard]] std::string to_message(RankHealth const& health);
[[nodiscard]] RankHealth rank_health_from_message(std::string const& message);

}  // namespace ditbatch
