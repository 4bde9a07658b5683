#include "families/step_work.hpp"

namespace ditbatch {

double GemmCall::flop() const {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
}

double AttentionCall::flop() const {
  return 4.0 * static_cast<double>(images) * static_cast<double>(queries) *
         static_cast<double>(keys) * static_cast<double>(heads * head_size);
}

StepFlop flop_of(std::vector<StepCall> const& calls) {
  StepFlop sum;
  for (StepCall const& call : calls) {
    if (auto const* gemm = std::get_if<GemmCall>(&call)) sum.gemm += gemm->flop();
    if (auto const* attention = std::get_if<AttentionCall>(&call))
      sum.attention += attention->flop();
  }
  return sum;
}

int evaluations_per_step(int cfg_degree, int cfg, Branches branches) {
  if (branches == Branches::conditional) return cfg == 0 ? 1 : 0;
  return cfg_degree == 2 ? 1 : 2;
}

}  // namespace ditbatch
