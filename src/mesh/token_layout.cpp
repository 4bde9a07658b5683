#include "mesh/token_layout.hpp"

namespace ditbatch {

namespace {

std::int64_t sum_of_group(std::vector<Shard> const& shards, TokenLayout const& layout,
                          int ring_place) {
  std::int64_t sum = 0;
  for (int u = 0; u < layout.ulysses_degree; ++u)
    sum += shards[layout.index_of(ring_place, u)].size;
  return sum;
}

}  // namespace

std::int64_t TokenLayout::ring_text_tokens(int ring_place) const {
  return sum_of_group(text, *this, ring_place);
}
std::int64_t TokenLayout::ring_image_tokens(int ring_place) const {
  return sum_of_group(image, *this, ring_place);
}

TokenLayout make_token_layout(std::int64_t text_tokens, std::int64_t image_tokens,
                              SequencePlace const& place) {
  int const ranks = place.ring_degree * place.ulysses_degree;
  return {place.ring_degree, place.ulysses_degree,          place.ring,
          place.ulysses,     shards_of(text_tokens, ranks), shards_of(image_tokens, ranks)};
}

}  // namespace ditbatch
