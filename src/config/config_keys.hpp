#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "config/run_config.hpp"
#include "core/term.hpp"

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
  visitor.integer(Term("ranks", v0_1, "ranks to use; 0: all", "ranks"), layout.ranks, 0, 1'000'000);
  visitor.integer(Term("cfg", v0_1, "as [mesh] cfg"), layout.cfg, 1, 2);
  visitor.integer(Term("ulysses", v0_1, "as [mesh] ulysses"), layout.ulysses, 1, largest_degree);
  visitor.integer(Term("ring", v0_1, "as [mesh] ring"), layout.ring, 1, largest_degree);
  visitor.integer(Term("pipefusion", v0_1, "as [mesh] pipefusion"), layout.pipefusion, 1,
                  largest_degree);
  visitor.flag(Term("true_cfg", v0_1, "its images run both branches of the guidance"),
               layout.true_cfg);
}

// The keys of each table.

template <class Visitor, class Config>
void visit_job(Visitor& visitor, Config& job) {
  visitor.text(Term("name", v0_1, "of the run, in reports; without it the config file's stem"),
               job.name);
  visitor.required_path(Term("manifest", v0_1, "the records, a JSONL file"), job.manifest);
  visitor.path(
      Term("input_root", v0_1,
           "paths named in the manifest stay beneath it; without it the manifest's folder"),
      job.input_root);
  visitor.required_path(Term("run_dir", v0_1, "the run folder: where shards and reports go"),
                        job.run_dir);
  visitor.integer(
      Term("seed", v0_1, "what the seeds of records that name none are made of, with id and index"),
      job.seed, 0, largest_integer);
}

template <class Visitor, class Config>
void visit_model(Visitor& visitor, Config& model) {
  visitor.required_path(Term("path", v0_1, "the checkpoint: a diffusers folder with safetensors"),
                        model.path);
  visitor.choice(Term("dtype", v0_1,
                      "in which the model computes; `auto`: that of the run folder, else fp32 on "
                      "CPUs and bf16 on GPUs"),
                 model.dtype, dtypes);
  visitor.flag(Term("random_weights", v0_1,
                    "values from a seed, shapes from the folder's config files alone: to measure"),
               model.random_weights);
  visitor.loras(Term("loras", v0_1, "must be empty in this version"), model.loras);
}

template <class Visitor, class Config>
void visit_mesh(Visitor& visitor, Config& mesh) {
  visitor.choice(
      Term("weights", v0_1, "where a replica's weights lie; `sharded` is refused in this version"),
      mesh.weights, weight_placements);
  visitor.integer_or_auto(
      Term("replicas", v0_1,
           "groups of ranks that make images independently; `auto`: what the other degrees leave"),
      mesh.replicas, 1, 1'000'000);
  visitor.integer(
      Term("cfg", v0_1, "2: the branches of the guidance on two halves of a replica", "ranks"),
      mesh.cfg, 1, 2);
  visitor.integer(Term("ulysses", v0_1,
                       "ranks that split the attention heads; it divides their number", "ranks"),
                  mesh.ulysses, 1, largest_degree);
  visitor.integer(Term("ring", v0_1, "ranks that split the tokens", "ranks"), mesh.ring, 1,
                  largest_degree);
  visitor.choice(Term("ring_kind", v0_1,
                      "how a ring sees all keys and values; `p2p` is refused in this version"),
                 mesh.ring_kind, ring_kinds);
  visitor.integer(
      Term("pipefusion", v0_1, "stages of blocks; above 1 is refused in this version", "ranks"),
      mesh.pipefusion, 1, largest_degree);
}

template <class Visitor, class Config>
void visit_output(Visitor& visitor, Config& output) {
  visitor.size(Term("shard_bytes", v0_1, "a shard is published when it is this big", "bytes"),
               output.shard_bytes);
  visitor.number(Term("shard_s", v0_1, "a shard is published when it is this old", "s"),
                 output.shard_s, 1, longest_time_s);
  visitor.number(
      Term("flush_s", v0_1,
           "what is written becomes durable this often: the most that a crash loses", "s"),
      output.flush_s, 0, longest_time_s);
  visitor.integer(Term("images_per_shard", v0_1,
                       "a shard is published when it has so many; 0: no limit by count", "images"),
                  output.images_per_shard, 0, largest_integer);
  visitor.integer(
      Term("compression", v0_1,
           "deflate level of the images; 0 is none, above 1 costs time and gains nothing"),
      output.compression, 0, 9);
}

template <class Visitor, class Config>
void visit_limits(Visitor& visitor, Config& limits) {
  visitor.integer(Term("retries", v0_1, "attempts after the first before a record counts as failed",
                       "attempts"),
                  limits.retries, 0, 100);
  visitor.limit(
      Term("allow_failed", v0_1, "up to here the exit code of a complete job is 0", "records"),
      limits.allow_failed);
  visitor.limit(Term("abort_failed", v0_1, "when more failed the job is given up", "records"),
                limits.abort_failed);
  visitor.number(Term("start_s", v0_1, "time limit of MPI_Init, of start-up and of loading", "s"),
                 limits.start_s, 1, longest_time_s);
  visitor.number(
      Term("phase_s", v0_1,
           "time limit of a phase of an image; ten times the slowest so far where that is more",
           "s"),
      limits.phase_s, 1, longest_time_s);
  visitor.number(Term("io_s", v0_1, "how long one call of the file system may last", "s"),
                 limits.io_s, 1, longest_time_s);
  visitor.number(
      Term("drain_s", v0_1,
           "the job stops so long before the end of its allocation, to finish what is in hand",
           "s"),
      limits.drain_s, 0, longest_time_s);
}

template <class Visitor, class Config>
void visit_runtime(Visitor& visitor, Config& runtime) {
  visitor.choice(
      Term("device", v0_1, "`auto` is decided once for all ranks: a GPU where each has one"),
      runtime.device, device_kinds);
  visitor.flag(Term("share_gpu", v0_1, "lets several ranks use one GPU, to test"),
               runtime.share_gpu);
  visitor.flag(
      Term("allow_mixed", v0_1, "lets one job run on several kinds of GPU, whose bits differ"),
      runtime.allow_mixed);
  visitor.integer_or_auto(Term("batch_size", v0_1,
                               "records of one shape that a replica denoises together; `auto`: by "
                               "their tokens, 1 on CPUs",
                               "records"),
                          runtime.batch_size, 1, largest_batch);
  visitor.flag(Term("cuda_graphs", v0_1, "false: every kernel of a step is launched from the host"),
               runtime.cuda_graphs);
  visitor.flag(Term("peer_memory", v0_1,
                    "false: NCCL even where a host's GPUs can write to each other's memory"),
               runtime.peer_memory);
}

template <class Visitor, class Config>
void visit_bench(Visitor& visitor, Config& bench) {
  visitor.layouts(Term("layouts", v0_1, "what to measure; without it the layout of [mesh]"),
                  bench.layouts);
  visitor.sizes(Term("sizes", v0_1, "of images, \"1024x768\"; without it that of [sampling]", "px"),
                bench.sizes);
  visitor.integer(Term("steps", v0_1, "of an image; 0: those of [sampling]"), bench.steps, 0, 1000);
  visitor.integers(Term("batch_sizes", v0_1, "records denoised together", "records"),
                   bench.batch_sizes, 1, 1024);
  visitor.integer(Term("repetitions", v0_1, "how often each case is measured"), bench.repetitions,
                  1, 100'000);
  visitor.number(Term("warm_up_s", v0_1, "how long each case runs before it is measured", "s"),
                 bench.warm_up_s, 0, longest_time_s);
}

/// Every key of a config file, in the order of the file. One visitor reads them, one writes them: a
/// new key is its term here, for the reference, and its field in run_config.hpp.
template <class Visitor, class Config>
void visit_keys(Visitor& visitor, Config& config) {
  visitor.table(Term("job", v0_1, "what to make and where it goes"));
  visit_job(visitor, config.job);
  visitor.table(Term("model", v0_1, "the checkpoint"));
  visit_model(visitor, config.model);
  visitor.table(Term("mesh", v0_1, "how ranks share the work of an image"));
  visit_mesh(visitor, config.mesh);
  visitor.table(Term("sampling", v0_1, "what a record gets that does not say it for itself"));
  visit_sampling(visitor, config.sampling);
  visitor.table(Term("output", v0_1, "how images become files"));
  visit_output(visitor, config.output);
  visitor.table(Term("limits", v0_1, "failures and times that a job may take"));
  visit_limits(visitor, config.limits);
  visitor.table(Term("runtime", v0_1, "what it runs on"));
  visit_runtime(visitor, config.runtime);
  visitor.table(
      Term("bench", v0_1,
           "what `ditbatch bench` measures: each layout at each size with each batch size"));
  visit_bench(visitor, config.bench);
}

}  // namespace ditbatch::config
