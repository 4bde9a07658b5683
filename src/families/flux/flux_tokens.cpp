#include "families/flux/flux_tokens.hpp"

#include <algorithm>
#include <optional>

namespace ditbatch::flux {

FluxTokenizers open_tokenizers(Checkpoint const& checkpoint, FluxConfigs const& configs) {
  Problems problems;
  FluxTokenizers opened{open_clip_tokenizer(checkpoint.component("tokenizer").folder, problems),
                        open_t5_tokenizer(checkpoint.component("tokenizer_2").folder, problems),
                        configs.clip.positions};
  problems.throw_if_any();
  return opened;
}

TokenCounts count_tokens(FluxTokenizers const& tokenizers, ImageRecord const& record) {
  TokenCounts counts;
  auto const count = [&](std::size_t slot, Tokenizer const& tokenizer, std::string const& prompt,
                         std::optional<std::string> const& negative, std::int64_t room) {
    auto const as_column = [](std::int64_t tokens) {
      return static_cast<std::uint16_t>(std::clamp<std::int64_t>(tokens, 0, UINT16_MAX));
    };
    auto const tokens = static_cast<std::int64_t>(tokenizer.count(prompt));
    std::int64_t cut = std::max<std::int64_t>(0, tokens - room);
    if (negative)
      cut +=
          std::max<std::int64_t>(0, static_cast<std::int64_t>(tokenizer.count(*negative)) - room);
    counts.tokens[slot] = as_column(tokens);
    counts.cut[slot] = as_column(cut);
  };
  std::optional<std::string> negative, negative_2;
  if (uses_true_cfg(record)) {
    negative = record.negative_prompt;
    negative_2 = second_or_first(record.negative_prompt_2, *record.negative_prompt);
  }
  count(0, *tokenizers.clip, record.prompt, negative, tokenizers.clip_positions);
  count(1, *tokenizers.t5, second_or_first(record.prompt_2, record.prompt), negative_2,
        record.max_sequence_length);
  return counts;
}

}  // namespace ditbatch::flux
