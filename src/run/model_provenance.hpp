#pragma once

#include "comm/device.hpp"
#include "output/model_entry.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

/// All that this rank's shards say of what made their images.
[[nodiscard]] ModelEntry model_entry_of(JobInput const& input, ChosenDevice const& device);

}  // namespace ditbatch
