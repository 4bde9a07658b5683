#include "pipeline/batch_size.hpp"

namespace ditbatch {

int batch_size_for(ImageRecord const& record, BatchRule const& rule) {
  if (rule.fixed) return *rule.fixed;
  if (rule.device == c10::kCPU) return 1;
  std::int64_t const tokens = record.max_sequence_length + (record.height_px / rule.token_px) *
                                                               (record.width_px / rule.token_px);
  std::int64_t const ranks = rule.ranks_per_branch;
  std::int64_t const tokens_per_rank = (tokens + ranks - 1) / ranks;
  // On an H200 a batch of 4 saves 4 % of the time at 1,536 tokens (512x512), nothing at 4,608.
  if (tokens_per_rank <= 1536) return 4;
  return tokens_per_rank <= 2500 ? 2 : 1;
}

}  // namespace ditbatch
