#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/sampling.hpp"
#include "core/device_kind.hpp"
#include "core/problem.hpp"

namespace ditbatch {

/// automatic: by the run folder and the device, decided before a model is planned.
enum class Dtype { automatic, bf16, fp16, fp32 };

enum class RingKind { gather, p2p };
enum class WeightPlacement { replicated, sharded };

/// [job]
struct JobConfig {
  std::string name;        // default: the config file's stem
  std::string manifest;    // required; absolute after loading
  std::string input_root;  // default: the manifest's folder; absolute after loading
  std::string run_dir;     // required; absolute after loading
  std::uint64_t seed = 0;  // for records that name none
};

struct LoraConfig {
  std::string path;
  double scale = 1.0;
};

/// [model]
struct ModelConfig {
  std::string path;  // required: a diffusers folder; absolute after loading
  Dtype dtype = Dtype::automatic;
  bool random_weights = false;
  std::vector<LoraConfig> loras;
};

/// [mesh]
struct MeshConfig {
  WeightPlacement weights = WeightPlacement::replicated;
  std::optional<int> replicas;  // none: "auto", what the other dimensions leave
  int cfg = 1;
  int ulysses = 1;
  int ring = 1;
  RingKind ring_kind = RingKind::gather;
  int pipefusion = 1;
};

/// [output]
struct OutputConfig {
  std::uint64_t shard_bytes = std::uint64_t{2} << 30U;
  double shard_s = 1800;
  double flush_s = 60;
  std::uint64_t images_per_shard = 0;  // 0: no limit by count
  int compression = 1;                 // deflate level, 0 is none
};

/// A count of records, or a share of the manifest ("0.1%").
struct RecordLimit {
  double value = 0;
  enum class Unit { records, percent } unit = Unit::records;
};

/// [limits]
struct LimitsConfig {
  int retries = 2;
  RecordLimit allow_failed{0, RecordLimit::Unit::records};
  RecordLimit abort_failed{5, RecordLimit::Unit::percent};
  double start_s = 1800;
  double phase_s = 300;
  double io_s = 1800;
  double drain_s = 240;
};

/// A layout to measure: degrees of the mesh on the first ranks of the world.
struct BenchLayout {
  int ranks = 0;  // 0: all; replicas are what the degrees leave of them
  int cfg = 1;
  int ulysses = 1;
  int ring = 1;
  int pipefusion = 1;
  bool true_cfg = false;  // its images run both branches
};

struct ImageSize {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
};

/// [bench]: what `ditbatch bench` measures, each layout at each size with each batch size.
struct BenchConfig {
  std::vector<BenchLayout> layouts;  // none: that of [mesh]
  std::vector<ImageSize> sizes;      // none: that of [sampling]
  std::int64_t steps = 0;            // 0: those of [sampling]
  std::vector<int> batch_sizes{1};
  int repetitions = 10;
  double warm_up_s = 5;
};

/// [runtime]
struct RuntimeConfig {
  DeviceKind device = DeviceKind::automatic;
  bool share_gpu = false;
  bool allow_mixed = false;
  std::optional<int> batch_size;  // none: "auto", by the size of the images
  bool cuda_graphs = true;
  bool peer_memory = true;
};

/// Everything a run is told, complete and validated; what load_run_config() returns.
struct RunConfig {
  std::string config_path;  // where it was read from, for messages
  JobConfig job;
  ModelConfig model;
  MeshConfig mesh;
  Sampling sampling;  // [sampling]: defaults for records
  OutputConfig output;
  LimitsConfig limits;
  RuntimeConfig runtime;
  BenchConfig bench;
  std::map<std::string, Position> set_at;  // "mesh.ulysses" -> where its value stands

  [[nodiscard]] bool is_set(std::string const& key) const { return set_at.count(key) != 0; }
  /// Where a value comes from: its place, or the file alone for one that has its default.
  [[nodiscard]] Position where(std::string const& key) const {
    auto const found = set_at.find(key);
    return found == set_at.end() ? Position{config_path} : found->second;
  }
};

}  // namespace ditbatch
