#include <nlohmann/json.hpp>

#include "bench/bench_report.hpp"
#include "bench/case_summary.hpp"
#include "bench/result_json.hpp"
#include "core/build_info.hpp"
#include "core/json_text.hpp"
#include "core/trace.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

json to_json(SampleSummary const& summary) {
  return {{"median", summary.median},         {"low", summary.low},   {"high", summary.high},
          {"confidence", summary.confidence}, {"min", summary.least}, {"max", summary.most}};
}

json or_null(std::optional<double> const& value) { return value ? json(*value) : json(nullptr); }

json to_json(CaseSummary const& summary) {
  return {{"image_s", to_json(summary.image_s)},
          {"denoise_s", to_json(summary.denoise_s)},
          {"decode_s", to_json(summary.decode_s)},
          {"text_s", to_json(summary.text_s)},
          {"images_per_s", summary.images_per_s},
          {"floor_s", or_null(summary.floor_s)},
          {"floor_fraction", or_null(summary.floor_fraction)},
          {"denoise_tflops_per_rank", summary.denoise_tflops},
          {"decode_tflops_per_rank", summary.decode_tflops},
          {"received_bytes_of_busiest_rank", summary.received_bytes},
          {"waiting_share", or_null(summary.waiting_share)},
          {"peak_memory_bytes", summary.peak_memory_bytes},
          {"clock_mhz", or_null(summary.clock_mhz)},
          {"power_w", or_null(summary.power_w)},
          {"temperature_c", or_null(summary.temperature_c)},
          {"joules_per_image", or_null(summary.joules_per_image)}};
}

json to_json(BenchStudy const& study, CaseResult const& result) {
  MeshShape const& mesh = result.layout.mesh;
  json made{{"layout", name_of(result.layout)},
            {"mesh",
             {{"replicas", mesh.replicas},
              {"cfg", mesh.cfg},
              {"pipefusion", mesh.pipefusion},
              {"ring", mesh.ring},
              {"ulysses", mesh.ulysses}}},
            {"true_cfg", result.layout.uses_true_cfg()},
            {"width", result.work.width_px},
            {"height", result.work.height_px},
            {"batch", result.work.batch},
            {"steps", result.work.steps},
            {"text_tokens", result.work.text_tokens}};
  if (!result.refusal.empty()) {
    made["refusal"] = result.refusal;
    return made;
  }
  json ranks = json::array();
  for (RankResult const& rank : result.ranks) {
    ranks.push_back(to_json(rank));
    if (!rank.profile) continue;
    json& profile = ranks.back()["profile"];
    for (char const* part : {"image", "floor"}) profile[part].erase("exchange_us");
    profile["image"]["exchange_waiting_ms"] = or_null(exchange_waiting_ms(result, rank));
  }
  made["flop_per_step"] = {{"gemm", result.step_flop.gemm},
                           {"attention", result.step_flop.attention}};
  made["flop_decode"] = result.decode_flop;
  made["summary"] = to_json(summary_of(result));
  made["scaling_efficiency"] = or_null(scaling_efficiency(study, result));
  made["ranks"] = ranks;
  return made;
}

}  // namespace

std::string bench_json(BenchStudy const& study) {
  json cases = json::array();
  for (CaseResult const& result : study.cases) cases.push_back(to_json(study, result));
  json places = json::array();
  for (RankPlace const& place : study.machine.ranks) places.push_back(json_of(to_message(place)));
  return to_text(json{{"name", study.name},
                      {"written_unix_ns", unix_time_ns()},
                      {"software", "ditbatch"},
                      {"version", build_info::version},
                      {"git_revision", build_info::git_revision},
                      {"cuda_architectures", build_info::cuda_architectures},
                      {"torch_version", build_info::torch_version},
                      {"hardware", study.machine.hardware},
                      {"machine", places},
                      {"checkpoint", study.checkpoint},
                      {"config", study.config_toml},
                      {"repetitions", study.repetitions},
                      {"cases", cases}},
                 1) +
         "\n";
}

}  // namespace ditbatch
