#pragma once

#include <cstdint>
#include <variant>
#include <vector>

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

struct StepFlop {
  double gemm = 0;
  double attention = 0;
  [[nodiscard]] double total() const { return gemm + attention; }
};
[[nodiscard]] StepFlop flop_of(std::vector<StepCall> const& calls);

/// Which CFG branches an image runs.
enum class Branches { conditional, both };

/// An image that is made, as far as its computing and its exchanges go.
struct ImageWork {
  std::int64_t width_px = 0;
  std::int64_t height_px = 0;
  std::int64_t steps = 0;
  std::int64_t text_tokens = 0;
  Branches branches = Branches::conditional;
};

/// How often a rank evaluates the model in a step. `cfg` is its place in that dimension.
[[nodiscard]] int evaluations_per_step(int cfg_degree, int cfg, Branches branches);

}  // namespace ditbatch
