#include "families/exactness.hpp"

namespace ditbatch {

Exactness exactness_of(MeshConfig const& mesh) {
  Exactness found;
  auto const add = [&](char const* method) {
    found.method += (found.method.empty() ? "" : ", ") + std::string(method);
  };
  if (mesh.pipefusion > 1) add("pipefusion");
  if (mesh.ring > 1 && mesh.ring_kind == RingKind::p2p) add("ring p2p");
  return found;
}

}  // namespace ditbatch
