#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ops/ops.hpp"
#include "text/activation.hpp"
#include "weights/json_config.hpp"

namespace ditbatch {

/// transformers' CLIPTextModel.
struct ClipConfig {
  std::int64_t vocabulary = 49408;
  std::int64_t width = 512;
  std::int64_t heads = 8;
  std::int64_t layers = 12;
  std::int64_t mlp_width = 2048;
  std::int64_t positions = 77;
  std::int64_t eos_token = 49407;
  double norm_eps = 1e-5;
  TextActivation activation = TextActivation::quick_gelu;
};
[[nodiscard]] ClipConfig read_clip_config(JsonConfig const& config, Problems& problems);

/// Runs whole on one rank, one prompt at a time.
class ClipTextEncoder {
 public:
  ClipTextEncoder(ClipConfig const& config, WeightSource& source);
  /// Token ids of one prompt, padded -> the pooled embedding (1, width): the row of the end token.
  /// Throws where an id is not in the vocabulary.
  [[nodiscard]] at::Tensor encode_pooled(std::vector<std::int64_t> const& ids) const;

  /// The same in two parts: ids and the end token's row on the encoder's device, and all that the
  /// device does, without waiting for it.
  struct Tokens {
    at::Tensor ids;  // (1, tokens)
    at::Tensor end;  // (1): the row whose result is the prompt's
  };
  [[nodiscard]] Tokens tokens_of(std::vector<std::int64_t> const& ids) const;
  [[nodiscard]] at::Tensor encode_tokens(Tokens const& tokens) const;

 private:
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Layer {
    Norm attention_norm;
    ops::Linear q, k, v, o;
    Norm mlp_norm;
    ops::Linear mlp_in, mlp_out;
  };
  [[nodiscard]] at::Tensor normed(at::Tensor const& x, Norm const& norm) const;

  ClipConfig config_;
  at::Tensor tokens_;     // (vocabulary, width)
  at::Tensor positions_;  // (positions, width)
  std::vector<Layer> layers_;
  Norm final_norm_;
};

}  // namespace ditbatch
