#pragma once

#include <memory>

#include "families/flux/flux_configs.hpp"
#include "families/model.hpp"
#include "text/tokenizer.hpp"

namespace ditbatch::flux {

/// Both tokenizers of a checkpoint, and how many tokens their encoders read.
struct FluxTokenizers {
  std::unique_ptr<Tokenizer> clip, t5;
  std::int64_t clip_positions = 77;
};
/// Throws BadInput where the checkpoint has no sound ones.
[[nodiscard]] FluxTokenizers open_tokenizers(Checkpoint const& checkpoint,
                                             FluxConfigs const& configs);

/// Of a record's prompts: how long they are, and what does not fit.
[[nodiscard]] TokenCounts count_tokens(FluxTokenizers const& tokenizers, ImageRecord const& record);

}  // namespace ditbatch::flux
