#pragma once

#include <string_view>

namespace ditbatch::manifest {

/// What a manifest calls a field that other tools know by this name; "" where none is known.
[[nodiscard]] std::string_view own_name_of(std::string_view other);

}  // namespace ditbatch::manifest
