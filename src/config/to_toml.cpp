#include <sstream>

#include "config/config_table.hpp"
#include "config/load_run_config.hpp"

namespace ditbatch {

namespace {

char const* name_of(Dtype dtype) {
  return dtype == Dtype::bf16 ? "bf16" : dtype == Dtype::fp16 ? "fp16" : "fp32";
}
char const* name_of(DeviceKind kind) {
  return kind == DeviceKind::automatic ? "auto" : kind == DeviceKind::cuda ? "cuda" : "cpu";
}
std::string text_of(RecordLimit const& limit) {
  std::ostringstream text;
  text << limit.value << (limit.unit == RecordLimit::Unit::percent ? "%" : "");
  return text.str();
}

}  // namespace

std::string to_toml(RunConfig const& config) {
  auto const whole = [](auto value) { return static_cast<std::int64_t>(value); };
  toml::table mesh{{"weights", config.mesh.weights == WeightPlacement::replicated ? "replicated" : "sharded"},
                   {"cfg", config.mesh.cfg},
                   {"ulysses", config.mesh.ulysses},
                   {"ring", config.mesh.ring},
                   {"ring_kind", config.mesh.ring_kind == RingKind::gather ? "gather" : "p2p"},
                   {"pipefusion", config.mesh.pipefusion}};
  if (config.mesh.replicas) mesh.insert("replicas", *config.mesh.replicas);
  toml::table const root{
      {"job", toml::table{{"name", config.job.name},
                          {"manifest", config.job.manifest},
                          {"input_root", config.job.input_root},
                          {"run_dir", config.job.run_dir},
                          {"seed", whole(config.job.seed)}}},
      {"model", toml::table{{"path", config.model.path},
                            {"dtype", name_of(config.model.dtype)},
                            {"random_weights", config.model.random_weights}}},
      {"mesh", mesh},
      {"sampling", toml::table{{"width", config.sampling.width_px},
                               {"height", config.sampling.height_px},
                               {"steps", config.sampling.steps},
                               {"guidance_scale", config.sampling.guidance_scale},
                               {"true_cfg_scale", config.sampling.true_cfg_scale},
                               {"scheduler", config.sampling.scheduler},
                               {"max_sequence_length", config.sampling.max_sequence_length}}},
      {"output", toml::table{{"shard_bytes", whole(config.output.shard_bytes)},
                             {"shard_s", config.output.shard_s},
                             {"flush_s", config.output.flush_s},
                             {"images_per_shard", whole(config.output.images_per_shard)},
                             {"compression", config.output.compression}}},
      {"limits", toml::table{{"retries", config.limits.retries},
                             {"allow_failed", text_of(config.limits.allow_failed)},
                             {"abort_failed", text_of(config.limits.abort_failed)},
                             {"start_s", config.limits.start_s},
                             {"phase_s", config.limits.phase_s},
                             {"io_s", config.limits.io_s},
                             {"drain_s", config.limits.drain_s}}},
      {"runtime", toml::table{{"device", name_of(config.runtime.device)},
                              {"share_gpu", config.runtime.share_gpu},
                              {"allow_mixed", config.runtime.allow_mixed}}}};
  std::ostringstream text;
  text << root << "\n";
  return text.str();
}

}  // namespace ditbatch
