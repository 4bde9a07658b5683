// What the ranks tell rank 0, and what bench.json says of them: the same JSON.
#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/bench_result.hpp"
#include "bench/result_json.hpp"
#include "core/json_text.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

json to_json(ExchangeBytes const& bytes) {
  return {{"ulysses", bytes.ulysses}, {"ring", bytes.ring},       {"cfg", bytes.cfg},
          {"branch", bytes.branch},   {"replica", bytes.replica}, {"total", bytes.total()}};
}

ExchangeBytes bytes_from_json(json const& from) {
  return {from.at("ulysses"), from.at("ring"), from.at("cfg"), from.at("branch"),
          from.at("replica")};
}

json to_json(PowerReading const& power) {
  return {{"seconds", power.seconds},
          {"samples", power.samples},
          {"clock_mhz", power.clock_mhz},
          {"power_w", power.power_w},
          {"energy_j", power.energy_j},
          {"temperature_c", power.temperature_c},
          {"power_limited_share", power.power_limited_share}};
}

PowerReading power_from_json(json const& from) {
  return {from.at("seconds"),
          from.at("samples"),
          from.at("clock_mhz"),
          from.at("power_w"),
          from.at("temperature_c"),
          from.at("energy_j"),
          from.at("power_limited_share")};
}

// To a tenth: there are thousands of them.
std::vector<double> rounded(std::vector<double> values) {
  for (double& value : values) value = std::round(value * 10) / 10;
  return values;
}

json to_json(KernelProfile const& profile) {
  json classes = json::object();
  for (std::size_t i = 0; i < kernel_class_count; ++i) {
    classes[kernel_class_names[i]] = {{"ms", profile.class_ms[i]},
                                      {"count", profile.class_count[i]}};
  }
  json kernels = json::array();
  for (KernelTotal const& kernel : profile.kernels) {
    kernels.push_back({{"name", kernel.name},
                       {"class", kernel_class_names[static_cast<std::size_t>(kernel.kind)]},
                       {"ms", kernel.ms},
                       {"count", kernel.count}});
  }
  json gaps = json::array();
  for (KernelGap const& gap : profile.gaps) {
    gaps.push_back(
        {{"at_ms", gap.at_ms}, {"ms", gap.ms}, {"after", gap.after}, {"before", gap.before}});
  }
  return {{"wall_ms", profile.wall_ms},
          {"denoise_ms", profile.denoise_ms},
          {"busy_ms", profile.busy_ms},
          {"classes", classes},
          {"exchange_exposed_ms", profile.exchange_exposed_ms},
          {"exchange_us", rounded(profile.exchange_us)},
          {"kernels", kernels},
          {"longest_gaps", gaps}};
}

KernelProfile profile_from_json(json const& from) {
  KernelProfile profile;
  profile.wall_ms = from.at("wall_ms");
  profile.denoise_ms = from.at("denoise_ms");
  profile.busy_ms = from.at("busy_ms");
  profile.exchange_exposed_ms = from.at("exchange_exposed_ms");
  profile.exchange_us = from.at("exchange_us").get<std::vector<double>>();
  for (std::size_t i = 0; i < kernel_class_count; ++i) {
    json const& each = from.at("classes").at(kernel_class_names[i]);
    profile.class_ms[i] = each.at("ms");
    profile.class_count[i] = each.at("count");
  }
  for (json const& kernel : from.at("kernels")) {
    std::string const kind = kernel.at("class");
    std::size_t place = 0;
    while (place + 1 < kernel_class_count && kind != kernel_class_names[place]) ++place;
    profile.kernels.push_back(
        {kernel.at("name"), static_cast<KernelClass>(place), kernel.at("ms"), kernel.at("count")});
  }
  for (json const& gap : from.at("longest_gaps"))
    profile.gaps.push_back({gap.at("at_ms"), gap.at("ms"), gap.at("after"), gap.at("before")});
  return profile;
}

}  // namespace

json to_json(RankResult const& result) {
  json batches = json::array();
  for (BatchTime const& batch : result.batches)
    batches.push_back(
        {{"noise_s", batch.noise_s}, {"denoise_s", batch.denoise_s}, {"decode_s", batch.decode_s}});
  json made{{"rank", result.rank},
            {"replica", result.replica},
            {"is_leader", result.is_leader},
            {"batches", batches},
            {"text_s", result.text_s},
            {"wall_s", result.wall_s},
            {"floor_s", result.floor_s},
            {"received_bytes_per_image", to_json(result.bytes)},
            {"peak_memory_bytes", result.peak_memory_bytes}};
  if (result.counted) made["counted_bytes_per_image"] = to_json(*result.counted);
  if (result.waiting_s) {
    made["waiting_s"] = *result.waiting_s;
    made["busy_s"] = result.wall_s - *result.waiting_s;
  }
  if (result.power) made["power"] = to_json(*result.power);
  if (result.profile) {
    made["profile"] = {{"image", to_json(result.profile->image)},
                       {"floor", to_json(result.profile->floor)}};
  }
  return made;
}

std::string to_message(RankResult const& result) { return to_text(to_json(result)); }

RankResult rank_result_from_message(std::string const& message) {
  json const from = json_of(message);
  RankResult result;
  result.rank = from.at("rank");
  result.replica = from.at("replica");
  result.is_leader = from.at("is_leader");
  for (json const& batch : from.at("batches"))
    result.batches.push_back({batch.at("noise_s"), batch.at("denoise_s"), batch.at("decode_s")});
  result.text_s = from.at("text_s").get<std::vector<double>>();
  result.wall_s = from.at("wall_s");
  result.floor_s = from.at("floor_s").get<std::vector<double>>();
  result.bytes = bytes_from_json(from.at("received_bytes_per_image"));
  if (from.contains("counted_bytes_per_image"))
    result.counted = bytes_from_json(from.at("counted_bytes_per_image"));
  result.peak_memory_bytes = from.at("peak_memory_bytes");
  if (from.contains("waiting_s")) result.waiting_s = from.at("waiting_s").get<double>();
  if (from.contains("power")) result.power = power_from_json(from.at("power"));
  if (from.contains("profile")) {
    result.profile = RankProfile{profile_from_json(from.at("profile").at("image")),
                                 profile_from_json(from.at("profile").at("floor"))};
  }
  return result;
}

}  // namespace ditbatch
