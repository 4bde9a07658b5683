#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ditbatch {

/// Something that the GPU did; times of the steady clock.
struct KernelRecord {
  std::string name;  // demangled; "memcpy" and "memset" for what is no kernel
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::uint32_t stream = 0;
};

/// What a kernel does for an image. `decode` is whatever the decoder runs, but for its exchanges.
enum class KernelClass : std::size_t {
  gemm,
  attention,
  exchange,
  decode,
  elementwise,
  copy,
  other
};
inline constexpr std::size_t kernel_class_count = 7;
inline constexpr std::array<char const*, kernel_class_count> kernel_class_names{
    "gemm", "attention", "exchange", "decode", "elementwise", "copy", "other"};

/// By the name alone, outside of the decoder: the libraries' naming habits.
[[nodiscard]] KernelClass class_of_kernel(std::string_view name);

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

}  // namespace ditbatch
