#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "profile/kernel_class.hpp"
#include "profile/kernel_record.hpp"

namespace ditbatch {

/// One image on the clock: denoised from `begin_ns`, decoded from `decode_begin_ns`.
struct ProfiledImage {
  std::int64_t begin_ns = 0;
  std::int64_t decode_begin_ns = 0;
  std::int64_t end_ns = 0;
};

struct KernelTotal {
  std::string name;
  KernelClass kind = KernelClass::other;
  double ms = 0;
  std::int64_t count = 0;
};

/// A stretch in which the GPU did nothing.
struct KernelGap {
  double at_ms = 0;  // since the beginning of the image
  double ms = 0;
  std::string after;   // the kernel that ended before it; empty at the beginning
  std::string before;  // the one that begins after it; empty at the end
};

struct KernelProfile {
  double wall_ms = 0;
  double denoise_ms = 0;  // of the wall
  double busy_ms = 0;     // union of all intervals
  std::array<double, kernel_class_count> class_ms{};
  std::array<std::int64_t, kernel_class_count> class_count{};
  double exchange_exposed_ms = 0;    // exchanges while nothing else runs
  std::vector<double> exchange_us;   // each exchange's kernel, in their order
  std::vector<KernelTotal> kernels;  // by name, longest total first
  std::vector<KernelGap> gaps;       // longest first
  [[nodiscard]] double ms_of(KernelClass kind) const {
    return class_ms[static_cast<std::size_t>(kind)];
  }
};

/// Sums over the kernels that begin within the image. Kernels that overlap count in full in the
/// sums, once in busy_ms.
[[nodiscard]] KernelProfile profile_of(std::vector<KernelRecord> records,
                                       ProfiledImage const& image);

/// How long the first rank's exchanges waited for others: what each took longer than on the rank
/// that came to it last. Of ranks that exchange with each other; nothing where their exchanges do
/// not correspond.
[[nodiscard]] std::optional<double> waiting_ms(
    std::vector<std::vector<double> const*> const& exchange_us);

}  // namespace ditbatch
