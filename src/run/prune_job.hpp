#pragma once

#include <string>

#include "core/exit_code.hpp"
#include "run/prune_selection.hpp"

namespace ditbatch {

struct PruneOptions {
  enum class Later { keep_out, remake } later = Later::keep_out;  // whether run makes them again
  enum class Do { it, nothing } perform = Do::it;                 // nothing: only say what it were
  std::string reason;                                             // the user's words
};

/// `ditbatch prune`: takes images out of a run folder, and says which, with counts before and
/// after. Refused while a job works on the folder. Throws Error(usage) where nothing is named and
/// no earlier prune is to be brought to its end.
[[nodiscard]] ExitCode prune(std::string const& run_dir, PruneRequest const& request,
                             PruneOptions const& options);

}  // namespace ditbatch
