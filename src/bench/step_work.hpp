#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "mesh/token_layout.hpp"
#include "models/flux/flux_config.hpp"
#include "models/vae/vae_config.hpp"

namespace ditbatch {

/// (rows, in) x (in, out), each with weights of its own.
struct GemmCall {
  std::int64_t rows = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
  [[nodiscard]] double flop() const;
};

/// Attention on one rank, of each image of a batch over its own sequence.
struct AttentionCall {
  std::int64_t images = 1;
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t heads = 0;
  std::int64_t head_size = 0;
  [[nodiscard]] double flop() const;
};

using StepCall = std::variant<GemmCall, AttentionCall>;

/// The matrix products and attention calls of one evaluation of the transformer for `batch` images
/// on one rank, in their order: what no implementation can leave out. Queries, keys and values are
/// one product. The last block has no text rows where nobody reads them. Not in it: what has one
/// row an image (modulation, embedders), which is below a thousandth.
[[nodiscard]] std::vector<StepCall> step_calls(FluxConfig const& config, TokenLayout const& layout,
                                               int batch);

struct StepFlop {
  double gemm = 0;
  double attention = 0;
  [[nodiscard]] double total() const { return gemm + attention; }
};
[[nodiscard]] StepFlop flop_of(std::vector<StepCall> const& calls);

/// The convolutions and the attention of the VAE decoder for one image, over all ranks.
[[nodiscard]] double decoder_flop(VaeConfig const& config, std::int64_t width_px,
                                  std::int64_t height_px);

/// Which CFG branches an image runs.
enum class Branches { conditional, both };

/// How often a rank evaluates the transformer in a step. `cfg` is its place in that dimension.
[[nodiscard]] int evaluations_per_step(int cfg_degree, int cfg, Branches branches);

}  // namespace ditbatch
