#pragma once

#include <cstdint>
#include <vector>

namespace ditbatch {

/// A contiguous piece of something that was split: rows of a map, tokens of a sequence, bytes of a
/// file.
struct Shard {
  std::int64_t offset = 0;
  std::int64_t size = 0;
  [[nodiscard]] std::int64_t end() const { return offset + size; }
  friend bool operator==(Shard const&, Shard const&) = default;
};

/// Piece `index` of `total` split into `parts`; sizes differ by at most one, larger ones first,
/// empty ones last where there are more parts than things.
[[nodiscard]] Shard shard_of(std::int64_t total, int parts, int index);

/// All pieces, in order.
[[nodiscard]] std::vector<Shard> shards_of(std::int64_t total, int parts);

/// The sizes alone, as gathers and exchanges take them.
[[nodiscard]] std::vector<std::int64_t> sizes_of(std::vector<Shard> const& shards);

}  // namespace ditbatch
