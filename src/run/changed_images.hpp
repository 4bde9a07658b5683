#pragma once

#include <string>
#include <vector>

#include "run/job_input.hpp"

namespace ditbatch {

enum class ListAll { no, yes };

/// Adds what published images were made from where that is not what is asked now: field by field,
/// from what to what. `changed` are records of the input. Of images with the same fields changed
/// the first few are named, unless all are to be, and the others are counted. Reads shards.
void explain_changes(JobInput const& input, std::vector<ImageRecord const*> const& changed,
                     ListAll all, Problems& problems);

}  // namespace ditbatch
