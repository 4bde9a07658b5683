#pragma once

#include <string>
#include <vector>

#include "core/term.hpp"

namespace ditbatch {

/// A file or folder of a run folder, for the reference.
struct RunFile {
  std::string path;          // beneath the run folder; folders end in '/', * is any text
  std::string path_of_part;  // by part 7 of an array; empty: the same
  Term term;
};
/// All that there may be, with the size 1024x768, shard 12, session 3 and rank 0 as examples.
[[nodiscard]] std::vector<RunFile> run_folder_files();

}  // namespace ditbatch
