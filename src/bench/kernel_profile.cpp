#include "bench/kernel_profile.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace ditbatch {

namespace {

constexpr std::size_t most_kernels = 60;
constexpr std::size_t most_gaps = 10;

double ms_between(std::int64_t begin_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - begin_ns) * 1e-6;
}

bool has_any(std::string_view name, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return std::search(name.begin(), name.end(), word.begin(), word.end(), [](char a, char b) {
             return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
           }) != name.end();
  });
}

struct Occupation {
  std::int64_t busy_ns = 0;
  std::vector<KernelGap> gaps;  // longest first
};

// Walks the intervals in the order of their beginnings: what they cover, and what lies between.
Occupation occupation_of(std::vector<KernelRecord> const& records, ProfiledImage const& image) {
  Occupation found;
  std::int64_t reached_ns = image.begin_ns;
  std::string const* last = nullptr;
  auto const add_gap = [&](std::int64_t until_ns, std::string const& next) {
    if (until_ns <= reached_ns) return;
    found.gaps.push_back({ms_between(image.begin_ns, reached_ns), ms_between(reached_ns, until_ns),
                          last != nullptr ? *last : "", next});
  };
  for (KernelRecord const& record : records) {
    add_gap(record.begin_ns, record.name);
    std::int64_t const from_ns = std::max(record.begin_ns, reached_ns);
    if (record.end_ns <= from_ns) continue;
    found.busy_ns += record.end_ns - from_ns;
    reached_ns = record.end_ns;
    last = &record.name;
  }
  add_gap(image.end_ns, "");
  std::stable_sort(found.gaps.begin(), found.gaps.end(),
                   [](KernelGap const& a, KernelGap const& b) { return a.ms > b.ms; });
  if (found.gaps.size() > most_gaps) found.gaps.resize(most_gaps);
  return found;
}

}  // namespace

KernelClass class_of_kernel(std::string_view name) {
  // What moves data first: an exchange kernel may have a product or a copy in its name.
  if (has_any(name, {"nccl", "alltoall", "all_to_all", "allgather", "all_gather", "exchange"}))
    return KernelClass::exchange;
  if (has_any(name, {"fmha", "sdpa", "flash", "attention"})) return KernelClass::attention;
  // Before the element-wise ones: a product may have an activation at its end.
  if (has_any(name, {"gemm", "nvjet", "cutlass", "cublas", "xmma", "gemv", "splitk"}))
    return KernelClass::gemm;
  if (has_any(name, {"elementwise", "norm", "softmax", "gelu", "silu", "rotary", "modulat", "gated",
                     "reduce_kernel", "residual"}))
    return has_any(name, {"copy_kernel", "direct_copy"}) ? KernelClass::copy
                                                         : KernelClass::elementwise;
  if (has_any(name, {"memcpy", "memset", "copy", "catarray", "fill", "pad", "transpose", "gather",
                     "scatter", "index"}))
    return KernelClass::copy;
  return KernelClass::other;
}

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
  return profile;
}

}  // namespace ditbatch
