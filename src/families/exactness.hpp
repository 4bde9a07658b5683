#pragma once

#include <string>

#include "config/run_config.hpp"

namespace ditbatch {

/// Whether an image has the bits that one rank makes, and if not, the way of computing that changes
/// them: it then counts in the record's identity.
struct Exactness {
  std::string method;  // empty: exact
  [[nodiscard]] bool is_exact() const { return method.empty(); }
};

/// Layouts that split heads, tokens, rows or branches are exact. Those that are not: "pipefusion"
/// (keys and values of other patches are a step old) and "ring p2p" (partial results are merged in
/// another order), together as "pipefusion, ring p2p".
[[nodiscard]] Exactness exactness_of(MeshConfig const& mesh);

}  // namespace ditbatch
