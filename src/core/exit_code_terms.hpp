#pragma once

#include <vector>

#include "core/exit_code.hpp"
#include "core/term.hpp"

namespace ditbatch {

/// Of `compare`, as diff and cmp do; no job ends with it.
inline constexpr int exit_if_different = 1;

/// A number that the process may exit with.
struct ExitCodeTerm {
  int code;
  Term term;
};
/// All of them, rising. A value of ExitCode without a text does not compile.
[[nodiscard]] std::vector<ExitCodeTerm> exit_code_terms();

}  // namespace ditbatch
