#include "doctor/rank_health.hpp"

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankHealth, rank, local_rank, host, device, gpu_uuid, driver,
                                   program, hardware, gemm_sha256, gemm_tflops, copy_gb_s, previous,
                                   link_gb_s, exchanged, wrong_from, folder_sees, folder_s, seconds,
                                   problems)

std::string to_message(RankHealth const& health) { return to_text(nlohmann::json(health)); }

RankHealth rank_health_from_message(std::string const& message) {
  return json_of(message).get<RankHealth>();
}

}  // namespace ditbatch
