#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ditbatch::text {

struct UnigramPiece {
  std::string text;
  double score = 0;
};

/// The most likely segmentation of a word into pieces (Viterbi), as the `tokenizers` library finds
/// it: a code point that no piece covers costs the lowest score less 10, and neighbours of that
/// kind become one unknown token.
class Unigram {
 public:
  Unigram(std::vector<UnigramPiece> pieces, std::int64_t unknown);
  void encode(std::string_view word, std::vector<std::int64_t>& ids) const;
  [[nodiscard]] std::unordered_map<std::string, std::int64_t> const& ids() const { return ids_; }

 private:
  std::vector<UnigramPiece> pieces_;
  std::unordered_map<std::string, std::int64_t> ids_;
  std::size_t longest_bytes_ = 0;
  double unknown_score_ = 0;
  std::int64_t unknown_;
};

}  // namespace ditbatch::text
