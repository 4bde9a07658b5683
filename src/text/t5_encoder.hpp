#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "ops/ops.hpp"
#include "text/activation.hpp"
#include "weights/json_config.hpp"

namespace ditbatch {

/// transformers' T5EncoderModel.
struct T5Config {
  std::int64_t vocabulary = 32128;
  std::int64_t width = 512;
  std::int64_t head_size = 64;
  std::int64_t heads = 8;
  std::int64_t layers = 6;
  std::int64_t mlp_width = 2048;
  std::int64_t position_buckets = 32;
  std::int64_t position_max_distance = 128;
  double norm_eps = 1e-6;
  bool gated = false;
  TextActivation activation = TextActivation::relu;
};
[[nodiscard]] T5Config read_t5_config(JsonConfig const& config, Problems& problems);

/// Runs whole on one rank, one prompt at a time at its padded length, without an attention mask, as
/// diffusers does.
class T5Encoder {
 public:
  T5Encoder(T5Config const& config, WeightSource& source);
  /// Token ids of one prompt -> (1, tokens, width). Throws where an id is not in the vocabulary.
  [[nodiscard]] at::Tensor encode(std::vector<std::int64_t> const& ids) const;

  /// The same in two parts: ids on the encoder's device (1, tokens), and all that the device does,
  /// without waiting for it.
  [[nodiscard]] at::Tensor tokens_of(std::vector<std::int64_t> const& ids) const;
  [[nodiscard]] at::Tensor encode_tokens(at::Tensor const& tokens, at::Tensor const& bias) const;
  /// What prompts of one length share: (1, heads, tokens, tokens).
  [[nodiscard]] at::Tensor position_bias(std::int64_t tokens) const;

 private:
  struct Layer {
    at::Tensor attention_norm;  // (width)
    ops::Linear q, k, v, o;
    at::Tensor mlp_norm;
    ops::Linear mlp_in;
    std::optional<ops::Linear> mlp_linear;  // of a gated MLP
    ops::Linear mlp_out;
  };
  [[nodiscard]] at::Tensor normed(at::Tensor const& x, at::Tensor const& weight) const;
  [[nodiscard]] at::Tensor attend(Layer const& layer, at::Tensor const& x,
                                  at::Tensor const& bias) const;
  [[nodiscard]] at::Tensor feed_forward(Layer const& layer, at::Tensor const& x) const;

  T5Config config_;
  at::Tensor embedding_;      // (vocabulary, width)
  at::Tensor relative_bias_;  // (buckets, heads)
  std::vector<Layer> layers_;
  at::Tensor final_norm_;
};

}  // namespace ditbatch
