#pragma once

#include <optional>

namespace ditbatch {

/// When the Slurm allocation ends, in Unix seconds; nothing outside of Slurm, for an allocation
/// without a limit, or where Slurm does not answer. Slurm before 23.02 has no SLURM_JOB_END_TIME
/// and is asked with `squeue`, which may take some seconds: ask once.
[[nodiscard]] std::optional<double> allocation_end_unix_s();

}  // namespace ditbatch
