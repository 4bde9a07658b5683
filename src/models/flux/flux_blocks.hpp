#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string>

#include "models/flux/flux_config.hpp"
#include "models/flux/flux_embeddings.hpp"
#include "models/flux/sequence_attention.hpp"
#include "ops/ops.hpp"

namespace ditbatch::flux {

/// A rank's rows of both streams.
struct Streams {
  at::Tensor text;   // (text tokens, width)
  at::Tensor image;  // (image tokens, width)
};

/// What every block of a step shares.
struct BlockContext {
  FluxConfig const& config;
  at::Tensor const& conditioning;  // (1, width), SiLU applied
  RotaryTable const& rotary;       // own tokens, text then image
  TokenLayout const& layout;
  SequenceComms const& comms;
};

/// Query, key and value projections of one stream, with RMS-normed queries and keys.
struct Projections {
  ops::Linear q, k, v;
  at::Tensor q_norm, k_norm;  // (head size)
};

/// One stream's half of a double-stream block.
struct StreamWeights {
  ops::Linear modulation;  // width -> 6 x width
  Projections attention;
  ops::Linear attention_out;
  ops::Linear mlp_in, mlp_out;
};

/// Text and image with weights of their own, joined in attention.
class DoubleBlock {
 public:
  DoubleBlock(WeightSource& source, std::string const& name, FluxConfig const& config);
  [[nodiscard]] Streams operator()(Streams const& streams, BlockContext const& context) const;

 private:
  StreamWeights text_;
  StreamWeights image_;
};

/// Text and image as one sequence, attention and MLP side by side.
class SingleBlock {
 public:
  SingleBlock(WeightSource& source, std::string const& name, FluxConfig const& config);
  /// tokens (text then image, width) -> the same shape
  [[nodiscard]] at::Tensor operator()(at::Tensor const& tokens, BlockContext const& context) const;

 private:
  ops::Linear modulation_;  // width -> 3 x width
  Projections attention_;
  ops::Linear mlp_in_;
  ops::Linear out_;  // width + 4 x width -> width
};

/// layer_norm(x) * (1 + scale) + shift, without learned parameters.
[[nodiscard]] at::Tensor modulated_norm(at::Tensor const& x, at::Tensor const& shift,
                                        at::Tensor const& scale);

}  // namespace ditbatch::flux
