#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/mesh_for.hpp"
#include "config/run_config.hpp"
#include "manifest/image_record.hpp"
#include "manifest/record_rules.hpp"
#include "mesh/device_mesh.hpp"

namespace ditbatch {

/// What is made at once on each replica of a layout.
struct BenchWork {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  std::int64_t steps = 0;
  std::int64_t text_tokens = 0;
  int batch = 1;
};

/// One row of the study, or why it cannot be measured.
struct BenchCase {
  BenchWork work;
  std::string refusal;  // empty: it can
};

/// One layout on the first `mesh.size()` ranks of the world, with its cases.
struct PlannedLayout {
  BenchLayout wanted;
  MeshShape mesh;
  std::string refusal;  // of the whole layout; empty: it can run
  std::vector<BenchCase> cases;
  [[nodiscard]] bool uses_true_cfg() const { return wanted.true_cfg; }
};

/// Every layout of [bench] with every size and batch size, in the order of the config. Layouts that
/// the world or the model does not allow, and sizes that the model does not make, carry the reason.
[[nodiscard]] std::vector<PlannedLayout> plan_bench(RunConfig const& config,
                                                    RecordRules const& rules,
                                                    MeshLimits const& limits, int world_ranks);

/// The records of one batch: one prompt, neighbouring seeds, the defaults of [sampling].
[[nodiscard]] std::vector<ImageRecord> bench_records(RunConfig const& config, BenchWork const& work,
                                                     BenchLayout const& layout);

/// "replica1.cfg1.ring1.ulysses4", with ".true_cfg" where both branches run.
[[nodiscard]] std::string name_of(PlannedLayout const& layout);
/// "1024x1024.batch1"
[[nodiscard]] std::string name_of(BenchWork const& work);

}  // namespace ditbatch
