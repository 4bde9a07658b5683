#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/problem.hpp"
#include "text/added_tokens.hpp"
#include "weights/json_document.hpp"

namespace ditbatch::text {

using Vocabulary = std::unordered_map<std::string, std::int64_t>;

/// tokenizer_config.json and special_tokens_map.json: the names of the special tokens and what was
/// added.
struct TokenizerSettings {
  std::map<std::string, std::string> special;  // "eos_token" -> "</s>"
  std::vector<AddedToken> added;               // added_tokens_decoder, in the order of ids
  std::vector<std::string> extra;              // additional_special_tokens
};
[[nodiscard]] TokenizerSettings read_tokenizer_settings(std::string const& folder,
                                                        Problems& problems);

/// A {"text": id} object as a vocabulary; ids must be whole, below 10 million, and used once.
[[nodiscard]] Vocabulary read_vocabulary(nlohmann::json const& object, Position const& where,
                                         Problems& problems);

/// The tokens that are cut out of texts: those of the settings, and every named special token,
/// which needs an id in the vocabulary.
[[nodiscard]] std::vector<AddedToken> added_tokens_of(TokenizerSettings const& settings,
                                                      Vocabulary const& vocabulary,
                                                      Position const& where, Problems& problems);

}  // namespace ditbatch::text
