#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace ditbatch {

/// What a kernel does for an image. `decode` is whatever the decoder runs, but for its exchanges:
/// only who knows the phases can tell.
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

}  // namespace ditbatch
