#pragma once

#include <string>

#include "core/problem.hpp"
#include "weights/safetensors.hpp"

namespace ditbatch {

/// Some bytes from the middle of every tensor, in the order of their names. Another training run
/// with the same architecture has the same header and the same file size, and differs here: it
/// costs one small read a tensor where hashing the file would cost reading all of it.
[[nodiscard]] std::string sample_weights(SafetensorsHeader const& header, Problems& problems);

}  // namespace ditbatch
