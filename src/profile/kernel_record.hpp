#pragma once

#include <cstdint>
#include <string>

namespace ditbatch {

/// Something that the GPU did; times of the steady clock.
struct KernelRecord {
  std::string name;  // demangled; "memcpy" and "memset" for what is no kernel
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::uint32_t stream = 0;
};

}  // namespace ditbatch
