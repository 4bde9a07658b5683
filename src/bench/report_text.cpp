#include <cstdarg>
#include <cstdio>
#include <set>

#include "bench/bench_report.hpp"
#include "bench/case_summary.hpp"

namespace ditbatch {

namespace {

std::string printed(char const* format, ...) __attribute__((format(printf, 1, 2)));
std::string printed(char const* format, ...) {
  char text[400];
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

std::string percent(std::optional<double> const& share) {
  return share ? printed("%.1f %%", 100 * *share) : "";
}

std::string number(char const* format, std::optional<double> const& value) {
  if (!value) return "";
  char text[32];
  std::snprintf(text, sizeof text, format, *value);
  return text;
}

std::string case_line(BenchStudy const& study, CaseResult const& result) {
  CaseSummary const summary = summary_of(result);
  std::string const interval = printed("%.4f [%.4f, %.4f]", summary.image_s.median,
                                       summary.image_s.low, summary.image_s.high);
  return printed(
      "  %-36s %5d  %-28s %8.4f %8.4f %8.4f  %8s %8s %8s  %7.3f %6.1f  %5s %5s %6s %7.1f\n",
      name_of(result.layout).c_str(), result.work.batch, interval.c_str(), summary.denoise_s.median,
      summary.decode_s.median, summary.text_s.median, number("%.4f", summary.floor_s).c_str(),
      percent(summary.floor_fraction).c_str(), percent(scaling_efficiency(study, result)).c_str(),
      summary.images_per_s, summary.denoise_tflops, number("%.0f", summary.clock_mhz).c_str(),
      number("%.0f", summary.power_w).c_str(), number("%.0f", summary.joules_per_image).c_str(),
      static_cast<double>(summary.peak_memory_bytes) / 1e9);
}

std::string size_of_work(BenchWork const& work) {
  return printed("%lldx%lld, %lld steps, %lld text tokens", static_cast<long long>(work.width_px),
                 static_cast<long long>(work.height_px), static_cast<long long>(work.steps),
                 static_cast<long long>(work.text_tokens));
}

std::string exchange_lines(CaseResult const& result) {
  double wall_s = 0, waiting_s = 0;
  ExchangeBytes most;
  for (RankResult const& rank : result.ranks) {
    if (rank.bytes.total() >= most.total()) most = rank.bytes;
    wall_s += rank.wall_s;
    waiting_s += rank.waiting_s.value_or(0);
  }
  if (most.total() == 0) return "";
  auto const mb = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::string text = printed(
      "  %s: the busiest rank receives %.2f MB an image (ulysses %.2f, ring %.2f, cfg %.2f, branch "
      "%.2f, replica %.2f)",
      name_of(result.layout).c_str(), mb(most.total()), mb(most.ulysses), mb(most.ring),
      mb(most.cfg), mb(most.branch), mb(most.replica));
  if (result.ranks.front().waiting_s)
    text += printed("; ranks are in collectives for %.1f %% of the time", 100 * waiting_s / wall_s);
  return text + "\n";
}

// How much of a rank's exchanges is hidden, and how much of them is waiting.
std::string exchange_text(CaseResult const& result, RankResult const& rank) {
  KernelProfile const& image = rank.profile->image;
  if (image.exchange_us.empty()) return "";
  double const all_ms = image.ms_of(KernelClass::exchange);
  std::string text = printed("  exchange: %.1f ms hidden behind other kernels, %.1f ms exposed",
                             all_ms - image.exchange_exposed_ms, image.exchange_exposed_ms);
  if (auto const waiting = exchange_waiting_ms(result, rank))
    text += printed("; %.1f ms of them waiting for ranks that came later", *waiting);
  return text + "\n";
}

// Where the time goes that the floor does not take, of the rank that tells.
std::string profile_text(CaseResult const& result) {
  std::string text;
  for (RankResult const& rank : result.ranks) {
    if (!rank.profile) continue;
    KernelProfile const& image = rank.profile->image;
    KernelProfile const& floor = rank.profile->floor;
    text += printed(
        "\nkernels of one image, %s, %s, rank %d: %.1f ms (denoise %.1f, decode %.1f), busy %.1f "
        "%%\n  class            ms   share    count  ceiling ms  over ms\n",
        name_of(result.layout).c_str(), name_of(result.work).c_str(), rank.rank, image.wall_ms,
        image.denoise_ms, image.wall_ms - image.denoise_ms, 100 * image.busy_ms / image.wall_ms);
    for (std::size_t i = 0; i < kernel_class_count; ++i) {
      if (image.class_count[i] == 0) continue;
      text += printed("  %-12s %8.2f  %4.1f %% %8lld", kernel_class_names[i], image.class_ms[i],
                      100 * image.class_ms[i] / image.wall_ms,
                      static_cast<long long>(image.class_count[i]));
      auto const kind = static_cast<KernelClass>(i);
      bool const has_ceiling = kind == KernelClass::gemm || kind == KernelClass::attention;
      if (has_ceiling && floor.class_count[i] > 0)
        text += printed("  %10.2f %8.2f", floor.class_ms[i], image.class_ms[i] - floor.class_ms[i]);
      text += "\n";
    }
    text += printed("  %-12s %8.2f  %4.1f %%\n", "idle", image.wall_ms - image.busy_ms,
                    100 - 100 * image.busy_ms / image.wall_ms);
    text += exchange_text(result, rank);
    if (!image.gaps.empty() && image.gaps.front().ms > 0) {
      KernelGap const& gap = image.gaps.front();
      text += printed("  longest gap %.3f ms at %.1f ms, before %.80s\n", gap.ms, gap.at_ms,
                      gap.before.c_str());
    }
    break;
  }
  return text;
}

}  // namespace

std::string bench_text(BenchStudy const& study) {
  std::string text = study.name + ": " + std::to_string(study.repetitions) +
                     " repetitions, medians with the 95 % confidence interval of the median\non " +
                     study.machine.hardware + "\n";
  std::set<std::string> sizes_done;
  for (CaseResult const& first : study.cases) {
    std::string const size = size_of_work(first.work);
    if (!sizes_done.insert(size).second) continue;
    text += "\n" + size + "; seconds an image\n";
    text += printed("  %-36s %5s  %-28s %8s %8s %8s  %8s %8s %8s  %7s %6s  %5s %5s %6s %7s\n",
                    "layout", "batch", "image", "denoise", "decode", "text", "floor", "of floor",
                    "scaling", "img/s", "TF/s", "MHz", "W", "J/img", "peak GB");
    std::string exchanges;
    for (CaseResult const& result : study.cases) {
      if (size_of_work(result.work) != size) continue;
      if (result.refusal.empty()) {
        text += case_line(study, result);
        exchanges += exchange_lines(result);
      } else {
        text += printed("  %-36s %5d  not measured: ", name_of(result.layout).c_str(),
                        result.work.batch) +
                result.refusal + "\n";
      }
    }
    text += exchanges;
  }
  for (CaseResult const& result : study.cases) {
    if (result.refusal.empty()) text += profile_text(result);
  }
  return text +
         "\nThe floor is the model's matrix products and attention calls of each step and nothing "
         "else, sustained; it has no decoder and is compared with denoise.\n";
}

}  // namespace ditbatch
