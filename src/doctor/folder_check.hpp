#pragma once

#include <mpi.h>

#include <string>
#include <vector>

namespace ditbatch {

struct FolderCheck {
  double seconds = 0;  // to write, flush, rename and read back 8 MiB
  std::vector<std::string> problems;
};

/// Collective: can every rank write into the run folder as publishing does, is it the same folder
/// for all, and are `need_bytes` free? A folder that is not there yet is made.
[[nodiscard]] FolderCheck check_folder(MPI_Comm comm, std::string const& run_dir,
                                       double need_bytes);

}  // namespace ditbatch
