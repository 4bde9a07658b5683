#include "core/error.hpp"

namespace ditbatch {

void ensure(bool condition, char const* what, std::source_location where) {
  if (condition) return;
  throw Error(ExitCode::internal, std::string("broken invariant: ") + what + " (" +
                                      where.file_name() + ":" + std::to_string(where.line()) +
                                      ") please report this");
}

}  // namespace ditbatch
