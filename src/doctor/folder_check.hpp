#pragma once

#include <mpi.h>

#include <string>
#include <vector>

namespace ditbatch {

struct FolderCheck {
  double seconds = 0;  // to write, flush, rename and read back 8 MiB
  std::string sees;    // whose files this rank finds there: the same text on all that share it
  std::vector<std::string> problems;
};

/// Collective: can every rank write into the run folder as publishing does, do all see each other's
/// files, and are `need_bytes` free? A folder that is not there yet is made. What is written
/// carries a name that no other job uses, and is removed.
[[nodiscard]] FolderCheck check_folder(MPI_Comm comm, std::string const& run_dir,
                                       double need_bytes);

}  // namespace ditbatch
