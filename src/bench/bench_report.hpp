#pragma once

#include <string>

#include "bench/bench_result.hpp"

namespace ditbatch {

/// bench.json: every sample of every rank, the summaries, and the machine.
[[nodiscard]] std::string bench_json(BenchStudy const& study);
/// bench.csv: one line a layout, size and batch; what was not measured is empty.
[[nodiscard]] std::string bench_csv(BenchStudy const& study);
/// For people: a table of cases, and where the time goes where kernels were recorded.
[[nodiscard]] std::string bench_text(BenchStudy const& study);

}  // namespace ditbatch
