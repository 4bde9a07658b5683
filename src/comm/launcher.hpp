#pragma once

#include <string>

namespace ditbatch {

/// Why MPI cannot start under this launcher; "" if it can. Asked before MPI_Init, which would end
/// the process with a text of its own: several tasks of srun without any PMI for Open MPI.
[[nodiscard]] std::string launcher_problem();

/// Why a world of `world_size` ranks contradicts what the launcher's environment says; "" if it
/// does not. N processes that each believe to be alone would write one run folder N times.
[[nodiscard]] std::string launcher_problem(int world_size);

/// What the launcher's environment says of this process, before MPI does.
struct LaunchedAs {
  int rank = 0;
  std::string text;  // "rank 3 of 8 by OMPI_COMM_WORLD_SIZE, nodes n[1-4]"
};
[[nodiscard]] LaunchedAs launched_as();

/// Whether this process belongs to a job of Slurm's, or was started from within one.
[[nodiscard]] bool is_under_slurm();

}  // namespace ditbatch
