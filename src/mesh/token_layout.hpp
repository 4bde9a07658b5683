#pragma once

#include <vector>

#include "mesh/shard.hpp"

namespace ditbatch {

/// Which tokens each rank of a CFG branch owns: a contiguous shard of the text and one of the
/// image, uneven where the lengths do not divide, empty where there are more ranks than tokens. The
/// sequence index of a rank is ring * ulysses degree + ulysses; shards follow it, so the tokens of
/// the ranks of one ulysses group are contiguous too.
struct TokenLayout {
  int ring_degree = 1;
  int ulysses_degree = 1;
  int ring = 0;  // this rank's place
  int ulysses = 0;
  std::vector<Shard> text;   // by sequence index
  std::vector<Shard> image;  // by sequence index

  [[nodiscard]] std::size_t index() const { return index_of(ring, ulysses); }
  [[nodiscard]] std::size_t index_of(int ring_place, int ulysses_place) const {
    return static_cast<std::size_t>(ring_place * ulysses_degree + ulysses_place);
  }
  [[nodiscard]] Shard own_text() const { return text[index()]; }
  [[nodiscard]] Shard own_image() const { return image[index()]; }
  /// Tokens of all ranks of one ulysses group.
  [[nodiscard]] std::int64_t ring_text_tokens(int ring_place) const;
  [[nodiscard]] std::int64_t ring_image_tokens(int ring_place) const;
};

struct SequencePlace {
  int ring_degree = 1;
  int ulysses_degree = 1;
  int ring = 0;
  int ulysses = 0;
};

[[nodiscard]] TokenLayout make_token_layout(std::int64_t text_tokens, std::int64_t image_tokens,
                                            SequencePlace const& place);

}  // namespace ditbatch
