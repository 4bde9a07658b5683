#include <cstdio>

#include "bench/bench_report.hpp"
#include "bench/case_summary.hpp"

namespace ditbatch {

namespace {

constexpr char const* header =
    "layout,ranks,replicas,cfg,pipefusion,ring,ulysses,true_cfg,width,height,batch,steps,"
    "repetitions,image_s,image_s_low,image_s_high,image_s_min,image_s_max,denoise_s,denoise_s_low,"
    "denoise_s_high,decode_s,text_s,images_per_s,floor_s,floor_fraction,scaling_efficiency,"
    "tflop_per_image,denoise_tflops_per_rank,decode_tflops_per_rank,ulysses_bytes,ring_bytes,"
    "cfg_bytes,branch_bytes,replica_bytes,waiting_share,clock_mhz,power_w,temperature_c,"
    "joules_per_image,peak_memory_bytes,refusal\n";
constexpr int measured_columns = 29;  // from repetitions to peak_memory_bytes

class Line {
 public:
  void add(std::string const& text) { text_ += (text_.empty() ? "" : ",") + text; }
  void add(std::int64_t number) { add(std::to_string(number)); }
  void add(int number) { add(std::to_string(number)); }
  void add(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", number);
    add(std::string(text));
  }
  void add(std::optional<double> const& number) {
    if (number)
      add(*number);
    else
      text_ += ",";
  }
  [[nodiscard]] std::string const& text() const { return text_; }

 private:
  std::string text_;
};

std::string quoted(std::string const& text) {
  std::string made = "\"";
  for (char const c : text) made += c == '"' ? "\"\"" : std::string(1, c == '\n' ? ' ' : c);
  return made + "\"";
}

void add_measured(Line& line, BenchStudy const& study, CaseResult const& result) {
  CaseSummary const summary = summary_of(result);
  auto const decode_and_steps =
      result.step_flop.total() * static_cast<double>(result.work.steps) + result.decode_flop;
  ExchangeBytes most;  // each dimension's of the rank that has most of it
  for (RankResult const& rank : result.ranks) {
    most.ulysses = std::max(most.ulysses, rank.bytes.ulysses);
    most.ring = std::max(most.ring, rank.bytes.ring);
    most.cfg = std::max(most.cfg, rank.bytes.cfg);
    most.branch = std::max(most.branch, rank.bytes.branch);
    most.replica = std::max(most.replica, rank.bytes.replica);
  }
  line.add(study.repetitions);
  for (double const seconds :
       {summary.image_s.median, summary.image_s.low, summary.image_s.high, summary.image_s.least,
        summary.image_s.most, summary.denoise_s.median, summary.denoise_s.low,
        summary.denoise_s.high, summary.decode_s.median, summary.text_s.median,
        summary.images_per_s})
    line.add(seconds);
  line.add(summary.floor_s);
  line.add(summary.floor_fraction);
  line.add(scaling_efficiency(study, result));
  line.add(decode_and_steps / 1e12);
  line.add(summary.denoise_tflops);
  line.add(summary.decode_tflops);
  for (std::uint64_t const bytes : {most.ulysses, most.ring, most.cfg, most.branch, most.replica})
    line.add(std::to_string(bytes));
  for (std::optional<double> const& value :
       {summary.waiting_share, summary.clock_mhz, summary.power_w, summary.temperature_c,
        summary.joules_per_image})
    line.add(value);
  line.add(std::to_string(summary.peak_memory_bytes));
}

}  // namespace

std::string bench_csv(BenchStudy const& study) {
  std::string text = header;
  for (CaseResult const& result : study.cases) {
    MeshShape const& mesh = result.layout.mesh;
    Line line;
    line.add(name_of(result.layout));
    for (int const number : {mesh.size(), mesh.replicas, mesh.cfg, mesh.pipefusion, mesh.ring,
                             mesh.ulysses, result.layout.uses_true_cfg() ? 1 : 0})
      line.add(number);
    line.add(result.work.width_px);
    line.add(result.work.height_px);
    line.add(result.work.batch);
    line.add(result.work.steps);
    if (result.refusal.empty()) {
      add_measured(line, study, result);
      text += line.text() + ",\n";
    } else {
      text +=
          line.text() + std::string(measured_columns, ',') + "," + quoted(result.refusal) + "\n";
    }
  }
  return text;
}

}  // namespace ditbatch
