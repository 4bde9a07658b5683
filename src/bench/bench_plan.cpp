#include "bench/bench_plan.hpp"

namespace ditbatch {

namespace {

constexpr double default_true_cfg_scale = 4.0;

MeshConfig mesh_config(MeshConfig const& base, BenchLayout const& layout) {
  MeshConfig mesh = base;
  mesh.replicas.reset();
  mesh.cfg = layout.cfg;
  mesh.ulysses = layout.ulysses;
  mesh.ring = layout.ring;
  mesh.pipefusion = layout.pipefusion;
  return mesh;
}

std::string texts_of(Problems const& problems) {
  std::string text;
  for (Problem const& problem : problems.all())
    text += (text.empty() ? "" : "; ") + problem.field + ": " + problem.text;
  return text;
}

// The layout that [mesh] and [sampling] describe, for a config that names none.
BenchLayout own_layout(RunConfig const& config) {
  return {0,
          config.mesh.cfg,
          config.mesh.ulysses,
          config.mesh.ring,
          config.mesh.pipefusion,
          config.sampling.true_cfg_scale > 1};
}

PlannedLayout plan_layout(RunConfig const& config, BenchLayout const& wanted,
                          MeshLimits const& limits, int world_ranks) {
  PlannedLayout planned;
  planned.wanted = wanted;
  int const ranks = wanted.ranks == 0 ? world_ranks : wanted.ranks;
  RunConfig asked = config;
  asked.mesh = mesh_config(config.mesh, wanted);
  Problems problems;
  planned.mesh = mesh_for(asked, ranks, limits, problems);
  planned.refusal = texts_of(problems);
  if (!problems.empty()) {  // reports show what was asked for, not the nearest one
    planned.mesh = {1, wanted.cfg, wanted.pipefusion, wanted.ring, wanted.ulysses};
  } else if (ranks > world_ranks) {
    planned.refusal = "needs " + std::to_string(ranks) + " ranks, the world has " +
                      std::to_string(world_ranks) + " (each rank is one place) start more ranks";
  }
  return planned;
}

std::string refusal_of(BenchWork const& work, RecordRules const& rules) {
  std::int64_t const multiple = rules.size_multiple;
  if (work.width_px % multiple != 0 || work.height_px % multiple != 0) {
    return std::to_string(work.width_px) + "x" + std::to_string(work.height_px) +
           " is not possible (this model makes multiples of " + std::to_string(multiple) +
           " pixels) use another size";
  }
  if (work.text_tokens > rules.most_text_tokens) {
    return "max_sequence_length " + std::to_string(work.text_tokens) + " is too long (at most " +
           std::to_string(rules.most_text_tokens) + ") shorten it";
  }
  return "";
}

}  // namespace

std::vector<PlannedLayout> plan_bench(RunConfig const& config, RecordRules const& rules,
                                      MeshLimits const& limits, int world_ranks) {
  BenchConfig const& bench = config.bench;
  Sampling const& sampling = config.sampling;
  std::vector<BenchLayout> layouts = bench.layouts;
  if (layouts.empty()) layouts.push_back(own_layout(config));
  std::vector<ImageSize> sizes = bench.sizes;
  if (sizes.empty()) sizes.push_back({sampling.width_px, sampling.height_px});
  std::vector<PlannedLayout> plan;
  for (BenchLayout const& layout : layouts) {
    PlannedLayout planned = plan_layout(config, layout, limits, world_ranks);
    for (ImageSize const& size : sizes) {
      for (int const batch : bench.batch_sizes) {
        BenchWork const work{size.width_px, size.height_px,
                             bench.steps > 0 ? bench.steps : sampling.steps,
                             sampling.max_sequence_length, batch};
        std::string const refusal = refusal_of(work, rules);
        planned.cases.push_back({work, planned.refusal.empty() ? refusal : planned.refusal});
      }
    }
    plan.push_back(std::move(planned));
  }
  return plan;
}

std::vector<ImageRecord> bench_records(RunConfig const& config, BenchWork const& work,
                                       BenchLayout const& layout) {
  ImageRecord record;
  record.id = "bench";
  record.prompt = "a red fox on a hill above a fjord at dawn, in the style of a woodcut";
  if (layout.true_cfg) {
    double const scale = config.sampling.true_cfg_scale;
    record.negative_prompt = "blurry";
    record.true_cfg_scale = scale > 1 ? scale : default_true_cfg_scale;
  }
  record.seed = config.job.seed;
  record.width_px = work.width_px;
  record.height_px = work.height_px;
  record.steps = work.steps;
  record.guidance_scale = config.sampling.guidance_scale;
  record.max_sequence_length = work.text_tokens;
  std::vector<ImageRecord> records;
  for (int image = 0; image < work.batch; ++image) {
    record.index = static_cast<std::uint16_t>(image);
    records.push_back(record);
    record.seed += 1;
  }
  return records;
}

std::string name_of(PlannedLayout const& layout) {
  return layout_name(layout.mesh) + (layout.uses_true_cfg() ? ".true_cfg" : "");
}

std::string name_of(BenchWork const& work) {
  return std::to_string(work.width_px) + "x" + std::to_string(work.height_px) + ".batch" +
         std::to_string(work.batch);
}

}  // namespace ditbatch
