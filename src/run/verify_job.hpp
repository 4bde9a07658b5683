#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/mpi_session.hpp"
#include "output/verify_run.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

/// What a run folder holds against what the manifest of its last session asks for.
struct Completeness {
  std::string manifest;
  std::size_t wanted = 0;
  std::size_t failed = 0;            // listed in failed.jsonl
  std::size_t taken_out = 0;         // by prune
  std::vector<std::string> missing;  // neither published, failed nor taken out
  std::vector<std::string> foreign;  // published, but not asked for
  std::vector<std::string> changed;  // published from another record or checkpoint
  std::string
      unknown;  // why the two cannot be compared (the manifest or model is gone); else empty
};
[[nodiscard]] Completeness compare_with_manifest(std::string const& run_dir,
                                                 VerifyReport const& report);

/// The effective config of a run folder's last session. Throws Error(io) where there is none.
[[nodiscard]] RunConfig config_of_run(std::string const& run_dir,
                                      std::vector<std::string> const& overrides);

/// `ditbatch verify --regenerate`: makes `count` published images again, drawn at random, and
/// compares their bits. All ranks of the world call it; the images go to a folder of their own,
/// which is removed.
[[nodiscard]] ExitCode regenerate(std::string const& run_dir, std::size_t count,
                                  std::vector<std::string> const& overrides,
                                  MpiSession const& session, std::int64_t begin_ns);

}  // namespace ditbatch
