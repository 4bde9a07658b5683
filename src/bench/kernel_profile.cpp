#include "bench/kernel_profile.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "profile/gpu_use.hpp"

namespace ditbatch {

namespace {

constexpr std::size_t most_kernels = 60;
constexpr std::size_t most_gaps = 10;

double ms_between(std::int64_t begin_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - begin_ns) * 1e-6;
}

struct Occupation {
  std::int64_t busy_ns = 0;
  std::vector<KernelGap> gaps;  // longest first
};

// What the records cover, in the order of their beginnings, and what lies between.
Occupation occupation_of(std::vector<KernelRecord> const& records, ProfiledImage const& image) {
  std::vector<TimeSpan> spans;
  for (KernelRecord const& record : records) spans.push_back({record.begin_ns, record.end_ns});
  Occupation found;
  std::int64_t reached_ns = image.begin_ns;
  std::string const* last = nullptr;
  auto const add_gap = [&](std::int64_t until_ns, std::string const& next) {
    if (until_ns <= reached_ns) return;
    found.gaps.push_back({ms_between(image.begin_ns, reached_ns), ms_between(reached_ns, until_ns),
                          last != nullptr ? *last : "", next});
  };
  for (CoveredPiece const& piece : covered_pieces(spans, {image.begin_ns, image.end_ns})) {
    std::string const& name = records[piece.index].name;
    add_gap(piece.time.begin_ns, name);
    found.busy_ns += piece.time.end_ns - piece.time.begin_ns;
    reached_ns = piece.time.end_ns;
    last = &name;
  }
  add_gap(image.end_ns, "");
  std::stable_sort(found.gaps.begin(), found.gaps.end(),
                   [](KernelGap const& a, KernelGap const& b) { return a.ms > b.ms; });
  if (found.gaps.size() > most_gaps) found.gaps.resize(most_gaps);
  return found;
}

}  // namespace

KernelProfile profile_of(std::vector<KernelRecord> records, ProfiledImage const& image) {
  std::erase_if(records, [&](KernelRecord const& record) {
    return record.begin_ns < image.begin_ns || record.begin_ns >= image.end_ns;
  });
  std::stable_sort(records.begin(), records.end(),
                   [](auto const& a, auto const& b) { return a.begin_ns < b.begin_ns; });
  KernelProfile profile;
  profile.wall_ms = ms_between(image.begin_ns, image.end_ns);
  profile.denoise_ms = ms_between(image.begin_ns, image.decode_begin_ns);
  std::map<std::string, KernelTotal> by_name;
  for (KernelRecord const& record : records) {
    KernelClass kind = class_of_kernel(record.name);
    bool const is_decoding = record.begin_ns >= image.decode_begin_ns;
    if (is_decoding && kind != KernelClass::exchange) kind = KernelClass::decode;
    double const ms = ms_between(record.begin_ns, record.end_ns);
    profile.class_ms[static_cast<std::size_t>(kind)] += ms;
    profile.class_count[static_cast<std::size_t>(kind)] += 1;
    // Copies wait for nobody, and several run at once.
    if (kind == KernelClass::exchange && !record.name.starts_with("memcpy"))
      profile.exchange_us.push_back(ms * 1e3);
    // A kernel of both phases has a total in each.
    KernelTotal& total = by_name[(is_decoding ? "d" : "s") + record.name];
    total.name = record.name;
    total.kind = kind;
    total.ms += ms;
    total.count += 1;
  }
  for (auto& [key, total] : by_name) profile.kernels.push_back(std::move(total));
  std::stable_sort(profile.kernels.begin(), profile.kernels.end(),
                   [](KernelTotal const& a, KernelTotal const& b) { return a.ms > b.ms; });
  if (profile.kernels.size() > most_kernels) profile.kernels.resize(most_kernels);
  Occupation found = occupation_of(records, image);
  profile.busy_ms = static_cast<double>(found.busy_ns) * 1e-6;
  profile.gaps = std::move(found.gaps);
  std::erase_if(records, [](KernelRecord const& record) {
    return class_of_kernel(record.name) == KernelClass::exchange;
  });
  profile.exchange_exposed_ms =
      profile.busy_ms - static_cast<double>(occupation_of(records, image).busy_ns) * 1e-6;
  return profile;
}

std::optional<double> waiting_ms(std::vector<std::vector<double> const*> const& exchange_us) {
  std::vector<double> const& own = *exchange_us.front();
  for (auto const* rank : exchange_us) {
    if (rank->size() != own.size()) return std::nullopt;
  }
  double sum_us = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    double least = own[i];
    for (auto const* rank : exchange_us) least = std::min(least, (*rank)[i]);
    sum_us += own[i] - least;
  }
  return sum_us * 1e-3;
}

}  // namespace ditbatch
