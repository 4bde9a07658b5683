#include "profile/kernel_class.hpp"

#include <algorithm>
#include <initializer_list>

namespace ditbatch {

namespace {

bool has_any(std::string_view name, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return std::search(name.begin(), name.end(), word.begin(), word.end(), [](char a, char b) {
             return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
           }) != name.end();
  });
}

}  // namespace

KernelClass class_of_kernel(std::string_view name) {
  // What moves data first: an exchange kernel may have a product or a copy in its name.
  if (has_any(name, {"nccl", "alltoall", "all_to_all", "allgather", "all_gather", "exchange",
                     "share_heads", "scatter_rows", "finish_copies", "to a peer"}))
    return KernelClass::exchange;
  if (has_any(name, {"fmha", "sdpa", "flash", "attention"})) return KernelClass::attention;
  // Before the element-wise ones: a product may have an activation at its end.
  if (has_any(name, {"gemm", "nvjet", "cutlass", "cublas", "xmma", "gemv", "splitk"}))
    return KernelClass::gemm;
  if (has_any(name, {"elementwise", "stage_heads", "norm", "softmax", "gelu", "silu", "rotary",
                     "modulat", "gated", "reduce_kernel", "residual"}))
    return has_any(name, {"copy_kernel", "direct_copy"}) ? KernelClass::copy
                                                         : KernelClass::elementwise;
  if (has_any(name, {"memcpy", "memset", "copy", "catarray", "fill", "pad", "transpose", "gather",
                     "scatter", "index"}))
    return KernelClass::copy;
  return KernelClass::other;
}

}  // namespace ditbatch
