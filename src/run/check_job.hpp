#pragma once

#include <optional>

#include "config/run_config.hpp"
#include "core/exit_code.hpp"
#include "run/changed_images.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

enum class CheckHashes { no, yes };
enum class PrintConfig { no, yes };
enum class LookAtFolder { no, yes };

struct CheckOptions {
  int ranks = 0;  // 0: as many as one replica, or the configured replicas, need
  CheckHashes hashes = CheckHashes::no;
  PrintConfig print = PrintConfig::no;
  ListAll list = ListAll::no;
  LookAtFolder folder = LookAtFolder::yes;  // no: the input alone
};

/// `ditbatch check` and `run --dry-run`: reads everything a run reads, throws BadInput with every
/// problem, looks at the run folder, prints what is to come and what is perhaps not meant, and says
/// in the last line whether a job could start: bad_input where not. Needs no launcher and no GPU;
/// writes nothing.
[[nodiscard]] ExitCode check_job(RunConfig const& config, CheckOptions const& options,
                                 std::optional<ManifestPart> part);

}  // namespace ditbatch
