#pragma once

#include <cstdint>

namespace ditbatch {

/// Bytes that come to a rank from others for one image, by mesh dimension.
struct ExchangeBytes {
  std::uint64_t ulysses = 0;
  std::uint64_t ring = 0;
  std::uint64_t cfg = 0;
  std::uint64_t branch = 0;
  std::uint64_t replica = 0;  // the decoder
  [[nodiscard]] std::uint64_t total() const { return ulysses + ring + cfg + branch + replica; }
  friend bool operator==(ExchangeBytes const&, ExchangeBytes const&) = default;
};

}  // namespace ditbatch
