#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/unigram.hpp"

namespace ditbatch::text {

/// What a tokenizer needs of a SentencePiece model file.
struct SentencePieceModel {
  std::vector<UnigramPiece> pieces;
  std::string character_map;  // may be empty
  std::int64_t unknown = 0;
  enum class Kind { unigram = 1, bpe = 2, word = 3, character = 4 } kind = Kind::unigram;
};

/// Reads the protobuf's wire format with bounds checked everywhere; none where it is broken.
/// Written here because SentencePiece's public interface does not hand out the character map.
/// Fields: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
[[nodiscard]] std::optional<SentencePieceModel> parse_sentencepiece_model(std::string_view bytes);

}  // namespace ditbatch::text
