#include "families/batch_size.hpp"

namespace ditbatch {

int batch_size_for(std::int64_t tokens, BatchRule const& rule) {
  if (rule.fixed) return *rule.fixed;
  if (!rule.on_gpus) return 1;
  std::int64_t const ranks = rule.mesh.ranks_per_branch();
  std::int64_t const tokens_per_rank = (tokens + ranks - 1) / ranks;
  // On an H200 a batch of 4 saves 4 % of the time at 1,536 tokens (512x512), nothing at 4,608.
  if (tokens_per_rank <= 1536) return 4;
  return tokens_per_rank <= 2500 ? 2 : 1;
}

}  // namespace ditbatch
