#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bench/bench_result.hpp"

namespace ditbatch {

/// One rank of a case, as bench.json has it and as ranks tell rank 0.
[[nodiscard]] nlohmann::json to_json(RankResult const& result);

}  // namespace ditbatch
