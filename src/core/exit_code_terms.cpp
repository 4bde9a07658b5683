#include "core/exit_code_terms.hpp"

#include <optional>

namespace ditbatch {

namespace {

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wswitch"
std::optional<Term> term_of(ExitCode code) {
  switch (code) {
    case ExitCode::complete:
      return Term("complete", v0_1,
                  "done; `run`: every image is published or taken out, or no more than "
                  "`allow_failed` failed");
    case ExitCode::failed_records:
      return Term("failed_records", v0_1,
                  "complete, but more records failed than `allow_failed`, or so many that the job "
                  "was given up");
    case ExitCode::usage:
      return Term("usage", v0_1, "the command line is wrong");
    case ExitCode::bad_input:
      return Term(
          "bad_input", v0_1,
          "config, manifest or checkpoint is wrong, or does not fit what is published: mend it");
    case ExitCode::unhealthy:
      return Term("unhealthy", v0_1,
                  "a device or the launcher is: start again without the named node");
    case ExitCode::internal:
      return Term("internal", v0_1, "a mistake of the program: do not retry");
    case ExitCode::io:
      return Term("io", v0_1, "files cannot be read or written, or `verify` found problems");
    case ExitCode::stopped:
      return Term("stopped", v0_1,
                  "cleanly, with work left (`verify`: images are missing): start the job again");
    case ExitCode::lost_peer:
      return Term("lost_peer", v0_1,
                  "a rank was stuck or lost: start again without the named node");
  }
  return std::nullopt;
}
#pragma GCC diagnostic pop

}  // namespace

std::vector<ExitCodeTerm> exit_code_terms() {
  std::vector<ExitCodeTerm> terms;
  for (int code = 0; code < 256; ++code) {
    if (code == exit_if_different)
      terms.push_back({code, Term("different", v0_1, "`compare`: the runs differ")});
    else if (auto const term = term_of(static_cast<ExitCode>(code)))
      terms.push_back({code, *term});
  }
  return terms;
}

}  // namespace ditbatch
