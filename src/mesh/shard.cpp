#include "mesh/shard.hpp"

#include <algorithm>

namespace ditbatch {

Shard shard_of(std::int64_t total, int parts, int index) {
  std::int64_t const base = total / parts;
  std::int64_t const longer = total % parts;
  return {base * index + std::min<std::int64_t>(index, longer), base + (index < longer ? 1 : 0)};
}

std::vector<Shard> shards_of(std::int64_t total, int parts) {
  std::vector<Shard> shards;
  for (int index = 0; index < parts; ++index) shards.push_back(shard_of(total, parts, index));
  return shards;
}

std::vector<std::int64_t> sizes_of(std::vector<Shard> const& shards) {
  std::vector<std::int64_t> sizes;
  for (Shard const& shard : shards) sizes.push_back(shard.size);
  return sizes;
}

}  // namespace ditbatch
