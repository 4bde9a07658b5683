#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "comm/side_stream.hpp"
#include "models/flux/flux_config.hpp"
#include "models/flux/modulation.hpp"
#include "models/flux/sequence_exchange.hpp"
#include "ops/ops.hpp"
#include "ops/token_ops.hpp"

namespace ditbatch::flux {

/// What every block of a step shares.
struct BlockContext {
  FluxConfig const& config;
  at::Tensor const& modulation;    // (B, all vectors)
  ops::RotaryTable const& rotary;  // own tokens, text then image
  std::int64_t text_rows;          // of each image
  SequenceExchange& exchange;
  SideStream& beside;  // hides exchanges behind products
};

/// One stream's half of a double-stream block.
struct StreamWeights {
  ModulationPlace modulation;  // shift, scale, gate of attention; shift, scale, gate of the MLP
  ops::Linear qkv;             // width -> 3 x width
  ops::QueryKeyNorms norms;
  ops::Linear attention_out;
  ops::Linear mlp_in, mlp_out;
};

// Blocks work on a rank's tokens of both streams in one buffer (B, S, width), text rows first. A
// block gets the tokens and their modulated norm, changes the tokens in place, and gives back their
// norm for what comes next: adding a block's result and norming the sum is one pass over memory.

/// Text and image with weights of their own, joined in attention.
class DoubleBlock {
 public:
  DoubleBlock(WeightSource& source, std::string const& name, FluxConfig const& config,
              ModulationLayers& modulation);
  /// The norm that the block's first linear layers read.
  [[nodiscard]] ops::NormModulation first_norm(at::Tensor const& modulation) const;
  /// tokens and normed (B, S, width) -> (B, S, width)
  [[nodiscard]] at::Tensor operator()(at::Tensor const& tokens, at::Tensor const& normed,
                                      BlockContext const& context,
                                      ops::NormModulation const& next) const;

 private:
  StreamWeights text_;
  StreamWeights image_;
};

/// Text and image as one sequence, attention and MLP side by side.
class SingleBlock {
 public:
  SingleBlock(WeightSource& source, std::string const& name, FluxConfig const& config,
              ModulationLayers& modulation);
  [[nodiscard]] ops::NormModulation first_norm(at::Tensor const& modulation) const;
  /// tokens and normed (B, S, width) -> (B, S, width); with Rows::image_only the text rows of
  /// tokens are left as they are and the result is (B, image tokens, width): nobody reads the text
  /// after the last block.
  [[nodiscard]] at::Tensor operator()(at::Tensor const& tokens, at::Tensor const& normed,
                                      BlockContext const& context, ops::NormModulation const& next,
                                      Rows rows) const;

 private:
  ModulationPlace modulation_;  // shift, scale, gate
  ops::Linear qkv_;
  ops::QueryKeyNorms norms_;
  ops::Linear mlp_in_;
  ops::Linear out_;  // width + 4 x width -> width
};

}  // namespace ditbatch::flux
