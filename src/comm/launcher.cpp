#include "comm/launcher.hpp"

#include <mpi.h>

#include <cstdlib>

namespace ditbatch {

namespace {

constexpr char const* suggestion =
    " use srun --mpi=pmix, or the mpirun of the MPI that ditbatch was built with";

int number_of(char const* name) {
  char const* value = std::getenv(name);
  return value != nullptr ? std::atoi(value) : 0;
}

}  // namespace

std::string launcher_problem() {
#ifdef OPEN_MPI
  int const tasks = number_of("SLURM_STEP_NUM_TASKS");
  if (tasks <= 1) return "";
  for (char const* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_FD"}) {
    if (std::getenv(name) != nullptr) return "";
  }
  return "this process cannot find the others (SLURM_STEP_NUM_TASKS says " + std::to_string(tasks) +
         " tasks, but srun offers no PMI to connect them)" + suggestion;
#else
  return "";
#endif
}

// The innermost launcher decides: a rank of `mpirun -n 1` may stand in a step of several tasks.
std::string launcher_problem(int world_size) {
  if (world_size > 1) return "";
  for (char const* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    int const size = number_of(name);
    if (size == 1) return "";
    if (size < 1) continue;
    return "this process is alone in its MPI world (" + std::string(name) + " says " +
           std::to_string(size) +
           " processes: launcher and MPI library do not talk to each other)" + suggestion;
  }
  return "";
}

LaunchedAs launched_as() {
  struct Names {
    char const* rank;
    char const* size;
  };
  LaunchedAs launched;
  launched.text = "alone by its environment";
  // The innermost launcher first, as above.
  for (Names const names :
       {Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, Names{"PMI_RANK", "PMI_SIZE"},
        Names{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}}) {
    int const size = number_of(names.size);
    if (size < 1) continue;
    launched.rank = number_of(names.rank);
    launched.text = "rank " + std::to_string(launched.rank) + " of " + std::to_string(size) +
                    " by " + names.size;
    break;
  }
  for (char const* name : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"}) {
    char const* nodes = std::getenv(name);
    if (nodes == nullptr) continue;
    launched.text += ", nodes " + std::string(nodes);
    break;
  }
  return launched;
}

bool is_under_slurm() { return std::getenv("SLURM_JOB_ID") != nullptr; }

}  // namespace ditbatch
