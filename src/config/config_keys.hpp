#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "config/run_config.hpp"

namespace ditbatch::config {

/// A word of the config file and what it stands for.
template <class Enum>
struct Choice {
  std::string_view name;
  Enum value;
};

inline constexpr std::array<Choice<Dtype>, 4> dtypes{{{"auto", Dtype::automatic},
                                                      {"bf16", Dtype::bf16},
                                                      {"fp16", Dtype::fp16},
                                                      {"fp32", Dtype::fp32}}};
inline constexpr std::array<Choice<RingKind>, 2> ring_kinds{
    {{"gather", RingKind::gather}, {"p2p", RingKind::p2p}}};
inline constexpr std::array<Choice<WeightPlacement>, 2> weight_placements{
    {{"replicated", WeightPlacement::replicated}, {"sharded", WeightPlacement::sharded}}};
inline constexpr std::array<Choice<DeviceKind>, 3> device_kinds{
    {{"auto", DeviceKind::automatic}, {"cuda", DeviceKind::cuda}, {"cpu", DeviceKind::cpu}}};

inline constexpr std::int64_t largest_integer = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t largest_degree = 1024;
inline constexpr std::int64_t largest_batch = 64;  // records that a replica denoises together
inline constexpr double longest_time_s = 1e7;

/// The keys of one of [bench] layouts, as visit_keys() visits those of a table.
template <class Visitor, class Layout>
void visit_layout(Visitor& visitor, Layout& layout) {
  visitor.integer("ranks", layout.ranks, 0, 1'000'000);  // 0: all
  visitor.integer("cfg", layout.cfg, 1, 2);
  visitor.integer("ulysses", layout.ulysses, 1, largest_degree);
  visitor.integer("ring", layout.ring, 1, largest_degree);
  visitor.integer("pipefusion", layout.pipefusion, 1, largest_degree);
  visitor.flag("true_cfg", layout.true_cfg);
}

/// Every key of a config file, in the order of the file. One visitor reads them, one writes them: a
/// new key is one line here and its field in run_config.hpp.
template <class Visitor, class Config>
void visit_keys(Visitor& visitor, Config& config) {
  visitor.table("job");
  visitor.text("name", config.job.name);                   // of the run, in reports
  visitor.required_path("manifest", config.job.manifest);  // JSONL
  visitor.path("input_root", config.job.input_root);       // paths in the manifest: beneath it
  visitor.required_path("run_dir", config.job.run_dir);    // where shards and reports go
  visitor.integer("seed", config.job.seed, 0, largest_integer);  // for records that name none

  visitor.table("model");
  visitor.required_path("path", config.model.path);  // a diffusers folder
  visitor.choice("dtype", config.model.dtype, dtypes);
  visitor.flag("random_weights", config.model.random_weights);
  visitor.loras("loras", config.model.loras);

  visitor.table("mesh");
  visitor.choice("weights", config.mesh.weights, weight_placements);
  visitor.integer_or_auto("replicas", config.mesh.replicas, 1, 1'000'000);
  visitor.integer("cfg", config.mesh.cfg, 1, 2);
  visitor.integer("ulysses", config.mesh.ulysses, 1, largest_degree);
  visitor.integer("ring", config.mesh.ring, 1, largest_degree);
  visitor.choice("ring_kind", config.mesh.ring_kind, ring_kinds);
  visitor.integer("pipefusion", config.mesh.pipefusion, 1, largest_degree);

  visitor.table("sampling");
  visit_sampling(visitor, config.sampling);

  visitor.table("output");
  visitor.size("shard_bytes", config.output.shard_bytes);
  visitor.number("shard_s", config.output.shard_s, 1, longest_time_s);
  visitor.number("flush_s", config.output.flush_s, 0, longest_time_s);
  visitor.integer("images_per_shard", config.output.images_per_shard, 0, largest_integer);
  visitor.integer("compression", config.output.compression, 0, 9);  // deflate level

  visitor.table("limits");
  visitor.integer("retries", config.limits.retries, 0, 100);
  visitor.limit("allow_failed", config.limits.allow_failed);
  visitor.limit("abort_failed", config.limits.abort_failed);
  visitor.number("start_s", config.limits.start_s, 1, longest_time_s);
  visitor.number("phase_s", config.limits.phase_s, 1, longest_time_s);
  visitor.number("io_s", config.limits.io_s, 1, longest_time_s);
  visitor.number("drain_s", config.limits.drain_s, 0, longest_time_s);

  visitor.table("runtime");
  visitor.choice("device", config.runtime.device, device_kinds);
  visitor.flag("share_gpu", config.runtime.share_gpu);
  visitor.flag("allow_mixed", config.runtime.allow_mixed);
  visitor.integer_or_auto("batch_size", config.runtime.batch_size, 1, largest_batch);
  visitor.flag("cuda_graphs", config.runtime.cuda_graphs);
  visitor.flag("peer_memory", config.runtime.peer_memory);

  visitor.table("bench");
  visitor.layouts("layouts", config.bench.layouts);
  visitor.sizes("sizes", config.bench.sizes);
  visitor.integer("steps", config.bench.steps, 0, 1000);  // 0: those of [sampling]
  visitor.integers("batch_sizes", config.bench.batch_sizes, 1, 1024);
  visitor.integer("repetitions", config.bench.repetitions, 1, 100'000);
  visitor.number("warm_up_s", config.bench.warm_up_s, 0, longest_time_s);
}

}  // namespace ditbatch::config
